package p;

import java.util.*;

class Members<T extends Comparable<T>> {
    private static final Map<String, List<Integer>> MAP = new HashMap<>();

    @Override @Deprecated
    public String toString() { return "text,  with = spaces"; }

    int method(int first, String second, List<? super T> third) throws Exception {
        int[] a = {1, 2, 3};

        int x = a[0]+1 >>> 2;
        List<List<String>> nested = new ArrayList<>();
        if (first == 1 && x <= 2) { return -x - -1; }
        else return Objects.hash(first, second, nested.get(0).get(0), "text,  with = spaces");
    }

    String block = """
        a text
          block
        """;
    enum E { A, B, C }
    Runnable r = () -> { System.out.printf(
        "%s",
        block); };
    int sw(int k) {
        return switch (k) { case 1, 2 -> 3; default -> { yield 4; } };
    }
}
