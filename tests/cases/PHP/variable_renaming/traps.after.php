<?php
// Names that may move are called moves..., all others stay...
namespace Stays;

use function stay_imported;

$stayGlobal = 1;

class StayClass
{
    public $stayProperty = 1;
    static $stayStatic;

    function __construct(private $stayPromoted, int $stayParameter, ...$stayMore)
    {
        $finger = $stayParameter + $this->stayPromoted;
        $this->stayProperty = $finger;
        self::$stayStatic = $finger;
        [$dragon, $border] = $stayMore;
        foreach ($dragon as $pillow => $spring) {
            $amount = "$spring[0] {$pillow} ${stayBraced} $border->stayProperty";
            $amount .= <<<A
                $amount {$spring['stay']}
                A;
        }
        try {
            stayFunction(stayNamed: $amount);
        } catch (\Exception $anchor) {
            throw $anchor;
        }
        unset($spring);
        return fn($stayArgument) => $finger++ . $stayArgument . $stayGlobal;
    }

    function stayMethod()
    {
        static $stayOnce = 0;
        global $stayGlobal;
        $stayUsed = 1;
        $stayNamed = 'stayNamed';
        $cradle = function ($stayArgument) use ($stayUsed) {
            $pepper = $stayArgument;
            return $pepper + $stayUsed;
        };
        return $cradle($stayNamed, $stayUnbound, $stayOnce);
    }

    function stayCompact()
    {
        $staySeen = 1;
        return Compact('stay' . 'Seen');
    }

    function stayDynamic($stayName)
    {
        $staySeen = 1;
        return $$stayName;
    }

    function stayIncluding()
    {
        $staySeen = 1;
        include 'stay.php';
    }
}

function stay_last()
{
    $lagoon = $stayUnbound;
    return $lagoon;
}
