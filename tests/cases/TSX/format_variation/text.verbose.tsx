import { first, second, third } from "./a";

export const Page = ({ items, open, close }: Props) => {
        const label = open ? first(1, 2, 3) : second(items, close, third);

        return (
                <>
            <pre>{`keep
                this`}</pre>
            one{" "}
            two,  three   {items.map((item, index, all) => (
                <li key={index}> {item}  </li>
            ))}
            {open ? (
                <b> a  b </b>
            ) : (
                <i title='x   y'>{label}</i>
            )}
            &nbsp; <Trans>  lead

            blank line above</Trans>
        </>
        );
};

export function Short(): JSX.Element {
        return <a href="x"
              title="y">text
        more</a>;
}
