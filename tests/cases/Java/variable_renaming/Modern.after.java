// Names that may move are called moves..., all others stay...
import java.util.*;
import java.util.function.*;

class Modern {
    private final int fieldHeld;
    static int stayCounter;

    Modern(int finger) {
        this.fieldHeld = finger;
    }

    int switches(Object dragon, int border) {
        var pillow = switch (border) {
            case 1 -> 10;
            case 2 -> {
                int spring = border * 2;
                yield spring;
            }
            default -> dragon.hashCode();
        };
        return pillow;
    }

    <StayT extends Comparable<StayT>> StayT largest(List<? extends StayT> amount) {
        StayT anchor = null;
        for (final StayT cradle : amount)
            if (anchor == null || cradle.compareTo(anchor) > 0) anchor = cradle;
        return anchor;
    }

    Supplier<Supplier<Integer>> nestedLambdas(int pepper) {
        return () -> {
            int lagoon = pepper + 1;
            return () -> lagoon + pepper;
        };
    }

    int resources(AutoCloseable stayGiven) throws Exception {
        try (stayGiven; var orchid = new java.io.StringReader("a")) {
            return orchid.read();
        } finally {
            stayCounter++;
        }
    }

    String textBlock(int stayQuoted, int circle) {
        return """
            stayQuoted is not \
            interpolated""" + stayQuoted + circle;
    }

    int arrays(int[] answer, int[]... tunnel) {
        int banner = answer[0], yellow[][] = {answer, {1}};
        for (int[] packet : tunnel) banner += packet.length + yellow[0][0];
        return banner;
    }

    Function<Integer, Integer> references(Modern stayThat) {
        Function<Integer, Integer> basket = stayThat::twice;
        return basket.andThen(bottle -> -bottle);
    }

    int twice(int oyster) {
        class StayLocal {
            int get() { return 2; }
        }
        return new StayLocal().get() * oyster;
    }

    int qualified(int famous) {
        int winter = famous;
        return this.fieldHeld + winter + Modern.stayCounter;
    }
}
