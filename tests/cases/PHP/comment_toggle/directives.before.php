<p><?php // said ?> # no comment </p>
<?php
# What the script does.
// More of it.

namespace Counted; # behind

/** Documentation stays. */
#[Attribute] // an attribute
class Counter
{
    /* @var int $total */
    private $total = 1; /* one */

    // phpcs:ignore
    public function total($rows, /* between */ ...$more) // opens
    {
        $text = <<<A
        // stays {$rows['# stays']}
        A . '/* stays */' . <<<'B'
        # stays
        B;
        switch ($rows) {
            case 1: // one
                $text .= "// stays";
                // no break
            default:
                // nothing
        }
        /* translators: %s is a name */
        return $rows/* parts */- -1; // ends
    }
}
// last ?>

/* no comment */
