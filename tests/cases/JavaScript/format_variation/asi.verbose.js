'use strict'

const a = 1, b = 2

let f = async (x, y) => x + y

let g = function () {
        return {
                a: 1,
                b: [1, 2, 3],
        }
}
;[1, 2].forEach(v => v)

var i = a

++b

function h(
        first,
        second = 1,
        { third, fourth },
        ...rest
) {
        return call(first, function () {
                one()

                two()
        }, second)
}

const s = `template ${a,
  b} line
    two`

const re = a / b / c, re2 = /[, =]+/g

if (a) b = a
else b = -a - -b + +a

throw new Error('a long message, with commas', {
        cause: first,
        other: second,
        third: 'value'
})

label: for (const x of [a, b]) { if (x<!--b) continue label }

call(
        first,
        second
)

call(first, // one
     second)

const object = {
        method() { yield_(1) },
        get x() { return 1 },
}
