import { first, second, third, fourth } from './module';

interface I<T = {}> {
    a: string;
    b?: number
    method(first: string, second: number, third: Array<Array<string>>): void
}

type U = 'a' | 'b';
type X<T> = T extends Array<infer V> ? V: never;
let g: Array<Array<number>> = [[1, 2], [3, 4]];
const lt = a < b && c > (d);
@Component({ selector: 'app', template: `<a>
  b</a>` })
class C {
    @Input() name: string = 'x';
    constructor(private readonly service: Service, public other: OtherService) {}

    get value(): number { return this.x as unknown as number }
}
declare module 'm' {
    export function f(a: string): void
}
