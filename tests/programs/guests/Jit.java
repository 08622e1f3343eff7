import java.util.*;
import java.util.concurrent.*;

/** Methods that get compiled in several tiers and thrown away, by several threads. */
public class Jit {
    interface Shape { int area(int n); }
    static int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

    static int count(int seed) {
        Map<String, Integer> words = new HashMap<>();
        for (int i = 0; i < 20000; i++) words.merge("k" + (long) i * seed % 97, i, Integer::sum);
        int sum = fib(18);
        for (int value : words.values()) sum += value;
        return sum;
    }

    /** One class is seen first, then others: compiled code was too optimistic. */
    static long shapes(List<Shape> list) {
        long sum = 0;
        for (int i = 0; i < 20000; i++) sum += list.get(i % list.size()).area(i);
        return sum;
    }

    public static void main(String[] arguments) throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(4);
        List<Future<Integer>> results = new ArrayList<>();
        for (int i = 1; i <= 8; i++) {
            int seed = i;
            results.add(threads.submit(() -> count(seed)));
        }
        for (Future<Integer> result : results) System.out.println(result.get());
        threads.shutdown();
        List<Shape> list = new ArrayList<>();
        for (Shape shape : List.<Shape>of(n -> n, n -> n * n, n -> -n, n -> n ^ 5)) {
            list.add(shape);
            System.out.println(shapes(list));
        }
        int nulls = 0;
        Object[] things = {"a", null, 1};
        for (int i = 0; i < 30000; i++) {
            try {
                nulls += things[i % 4].hashCode() & 1;
            } catch (NullPointerException | ArrayIndexOutOfBoundsException error) {
                nulls += 2;
            }
        }
        System.out.println(nulls);
    }
}
