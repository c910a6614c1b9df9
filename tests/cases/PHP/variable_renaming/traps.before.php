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
        $movesSum = $stayParameter + $this->stayPromoted;
        $this->stayProperty = $movesSum;
        self::$stayStatic = $movesSum;
        [$movesFirst, $movesSecond] = $stayMore;
        foreach ($movesFirst as $movesKey => $movesRow) {
            $movesText = "$movesRow[0] {$movesKey} ${stayBraced} $movesSecond->stayProperty";
            $movesText .= <<<A
                $movesText {$movesRow['stay']}
                A;
        }
        try {
            stayFunction(stayNamed: $movesText);
        } catch (\Exception $movesError) {
            throw $movesError;
        }
        unset($movesRow);
        return fn($stayArgument) => $movesSum++ . $stayArgument . $stayGlobal;
    }

    function stayMethod()
    {
        static $stayOnce = 0;
        global $stayGlobal;
        $stayUsed = 1;
        $stayNamed = 'stayNamed';
        $movesCalled = function ($stayArgument) use ($stayUsed) {
            $movesInner = $stayArgument;
            return $movesInner + $stayUsed;
        };
        return $movesCalled($stayNamed, $stayUnbound, $stayOnce);
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
    $movesLast = $stayUnbound;
    return $movesLast;
}
