// Names that may move are called moves..., all others stay...
import java.io.*;
import java.util.*;
import java.util.function.*;

public class Traps {
    int stayField = 1;

    int plain(int finger, String... dragon) throws IOException {
        int border = finger, pillow = 2;
        for (int spring = 0; spring < 3; spring++) border += spring;
        for (String amount : dragon) border += amount.length();
        try (StringReader anchor = new StringReader("x")) {
            border += anchor.read();
        } catch (IllegalStateException | IllegalArgumentException cradle) {
            throw new IOException(cradle);
        }
        return border + pillow + stayField;
    }

    int hidesAField(int pepper) {
        {
            int stayField = pepper;
            pepper += stayField;
        }
        return pepper + stayField;
    }

    Runnable anonymousClasses(final int stayCaptured, int lagoon) {
        lagoon++;
        return new Runnable() {
            int stayInner = 1;
            public void run() {
                int stayLocal = stayCaptured + stayInner;
                stayInner = stayLocal;
            }
        };
    }

    int lambdas(List<Integer> orchid) {
        Function<Integer, Integer> circle = answer -> answer + 1;
        BiFunction<Integer, Integer, Integer> tunnel = (banner, yellow) -> { int packet = banner; return packet + yellow; };
        return circle.apply(1) + tunnel.apply(1, 2) + orchid.size();
    }

    @SuppressWarnings("unchecked")
    Object annotated(@Deprecated Object stayAnnotated, Object basket) {
        return stayAnnotated == basket;
    }

    @interface StayBound { String value(); }

    @StayBound("x")
    Object readByAFramework(Object stayParameter) {
        Object bottle = stayParameter;
        return bottle;
    }

    Object patternVariables(Object oyster) {
        if (oyster instanceof String stayPattern) return stayPattern;
        return null;
    }

    int labelsAndCases(int famous) {
        stayLabel:
        while (true) {
            switch (famous) {
                case 1:
                    int winter = 2;
                    break stayLabel;
                default:
                    winter = 3;
                    famous = winter;
                    continue stayLabel;
            }
        }
        return famous;
    }

    record StayRecord(int stayComponent) {
        StayRecord {
            if (stayComponent < 0) throw new IllegalArgumentException();
        }
    }

    String strings(int stayMentioned) {
        return "stayMentioned" + stayMentioned;
    }

    int methodsHaveOtherNames() {
        int kitten = "x".length();
        return kitten;
    }
}
