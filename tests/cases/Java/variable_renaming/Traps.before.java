// Names that may move are called moves..., all others stay...
import java.io.*;
import java.util.*;
import java.util.function.*;

public class Traps {
    int stayField = 1;

    int plain(int movesParameter, String... movesMore) throws IOException {
        int movesTotal = movesParameter, movesSecond = 2;
        for (int movesI = 0; movesI < 3; movesI++) movesTotal += movesI;
        for (String movesItem : movesMore) movesTotal += movesItem.length();
        try (StringReader movesReader = new StringReader("x")) {
            movesTotal += movesReader.read();
        } catch (IllegalStateException | IllegalArgumentException movesError) {
            throw new IOException(movesError);
        }
        return movesTotal + movesSecond + stayField;
    }

    int hidesAField(int movesValue) {
        {
            int stayField = movesValue;
            movesValue += stayField;
        }
        return movesValue + stayField;
    }

    Runnable anonymousClasses(final int stayCaptured, int movesOther) {
        movesOther++;
        return new Runnable() {
            int stayInner = 1;
            public void run() {
                int stayLocal = stayCaptured + stayInner;
                stayInner = stayLocal;
            }
        };
    }

    int lambdas(List<Integer> movesList) {
        Function<Integer, Integer> movesFunction = movesX -> movesX + 1;
        BiFunction<Integer, Integer, Integer> movesBoth = (movesA, movesB) -> { int movesC = movesA; return movesC + movesB; };
        return movesFunction.apply(1) + movesBoth.apply(1, 2) + movesList.size();
    }

    @SuppressWarnings("unchecked")
    Object annotated(@Deprecated Object stayAnnotated, Object movesPlain) {
        return stayAnnotated == movesPlain;
    }

    @interface StayBound { String value(); }

    @StayBound("x")
    Object readByAFramework(Object stayParameter) {
        Object movesLocal = stayParameter;
        return movesLocal;
    }

    Object patternVariables(Object movesSubject) {
        if (movesSubject instanceof String stayPattern) return stayPattern;
        return null;
    }

    int labelsAndCases(int movesCount) {
        stayLabel:
        while (true) {
            switch (movesCount) {
                case 1:
                    int movesCase = 2;
                    break stayLabel;
                default:
                    movesCase = 3;
                    movesCount = movesCase;
                    continue stayLabel;
            }
        }
        return movesCount;
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
        int movesLength = "x".length();
        return movesLength;
    }
}
