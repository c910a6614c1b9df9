// Names that may move are called moves..., all others stay...
import java.util.*;
import java.util.function.*;

class Modern {
    private final int fieldHeld;
    static int stayCounter;

    Modern(int movesInitial) {
        this.fieldHeld = movesInitial;
    }

    int switches(Object movesSubject, int movesCode) {
        var movesResult = switch (movesCode) {
            case 1 -> 10;
            case 2 -> {
                int movesInner = movesCode * 2;
                yield movesInner;
            }
            default -> movesSubject.hashCode();
        };
        return movesResult;
    }

    <StayT extends Comparable<StayT>> StayT largest(List<? extends StayT> movesList) {
        StayT movesBest = null;
        for (final StayT movesNext : movesList)
            if (movesBest == null || movesNext.compareTo(movesBest) > 0) movesBest = movesNext;
        return movesBest;
    }

    Supplier<Supplier<Integer>> nestedLambdas(int movesOuter) {
        return () -> {
            int movesMiddle = movesOuter + 1;
            return () -> movesMiddle + movesOuter;
        };
    }

    int resources(AutoCloseable stayGiven) throws Exception {
        try (stayGiven; var movesOther = new java.io.StringReader("a")) {
            return movesOther.read();
        } finally {
            stayCounter++;
        }
    }

    String textBlock(int stayQuoted, int movesPlain) {
        return """
            stayQuoted is not \
            interpolated""" + stayQuoted + movesPlain;
    }

    int arrays(int[] movesFlat, int[]... movesDeep) {
        int movesSum = movesFlat[0], movesGrid[][] = {movesFlat, {1}};
        for (int[] movesRow : movesDeep) movesSum += movesRow.length + movesGrid[0][0];
        return movesSum;
    }

    Function<Integer, Integer> references(Modern stayThat) {
        Function<Integer, Integer> movesTwice = stayThat::twice;
        return movesTwice.andThen(movesX -> -movesX);
    }

    int twice(int movesNumber) {
        class StayLocal {
            int get() { return 2; }
        }
        return new StayLocal().get() * movesNumber;
    }

    int qualified(int movesA) {
        int fieldHeld = movesA;
        return this.fieldHeld + fieldHeld + Modern.stayCounter;
    }
}
