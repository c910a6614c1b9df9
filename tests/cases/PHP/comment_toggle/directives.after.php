<p><?php ?> # no comment </p>
<?php

namespace Counted;

/** Documentation stays. */
#[Attribute]
class Counter
{
    /* @var int $total */
    private $total = 1;

    // phpcs:ignore
    public function total($rows, ...$more)
    {
        $text = <<<A
        // stays {$rows['# stays']}
        A . '/* stays */' . <<<'B'
        # stays
        B;
        switch ($rows) {
            case 1:
                $text .= "// stays";
                // no break
            default:
        }
        /* translators: %s is a name */
        return $rows - -1;
    }
}
?>

/* no comment */
