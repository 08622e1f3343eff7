import java.io.*;
import java.net.*;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.*;
import java.util.stream.*;

/** Thread pools, locks, sockets, a child process, the collector, and signals that are exceptions. */
public class Threads {
  static int counter;

  static void serve(ServerSocket server) {
    try (var peer = server.accept();
        var in = new BufferedReader(new InputStreamReader(peer.getInputStream()));
        var out = new PrintWriter(peer.getOutputStream(), true)) {
      for (String line; (line = in.readLine()) != null; ) out.println(line.toUpperCase());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static void sockets() throws Exception {
    var server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    var thread = new Thread(() -> serve(server));
    thread.start();
    try (var c = new Socket(server.getInetAddress(), server.getLocalPort())) {
      var out = new PrintWriter(c.getOutputStream(), true);
      var in = new BufferedReader(new InputStreamReader(c.getInputStream()));
      for (int i = 0; i < 100; i++) {
        out.println("line" + i);
        if (!in.readLine().equals("LINE" + i)) throw new Error();
      }
    }
    thread.join();
  }

  static void locks() throws Exception {
    var atomic = new AtomicInteger();
    var lock = new Object();
    Runnable body = () -> {
      for (int j = 0; j < 20000; j++) {
        atomic.incrementAndGet();
        synchronized (lock) { counter++; }
      }
    };
    var threads = IntStream.range(0, 4).mapToObj(i -> new Thread(body)).toList();
    threads.forEach(Thread::start);
    for (var t : threads) t.join();
    System.out.println(atomic.get() + " " + counter);
  }

  static int deep(int n) { return n == 0 ? 0 : 1 + deep(n - 1); }

  public static void main(String[] arguments) throws Exception {
    var pool = Executors.newFixedThreadPool(4);
    var futures = new ArrayList<Future<Long>>();
    for (int i = 0; i < 8; i++) {
      final int n = i;
      futures.add(pool.submit(() -> LongStream.range(0, 200000).map(x -> x * n % 7).sum()));
    }
    long total = 0;
    for (var f : futures) total += f.get();
    System.out.println(total + " " + IntStream.range(0, 100000).parallel().filter(x -> x % 3 == 0).count());
    sockets();
    locks();
    try { int[] none = null; System.out.println(none[0]); } catch (NullPointerException e) { System.out.println("null"); }
    try { System.out.println(1 / (counter - 80000)); } catch (ArithmeticException e) { System.out.println(e.getMessage()); }
    try { deep(100_000_000); } catch (StackOverflowError e) { System.out.println("too deep"); }
    var kept = new ArrayList<byte[]>();
    for (int i = 0; i < 2000; i++) { var b = new byte[20000]; if (i % 100 == 0) kept.add(b); }
    System.gc();
    System.out.println(kept.size());
    var child = new ProcessBuilder("sh", "-c", "cat; exit 3").redirectErrorStream(true).start();
    child.getOutputStream().write("to a child\n".getBytes());
    child.getOutputStream().close();
    System.out.print(new String(child.getInputStream().readAllBytes()));
    System.out.println(child.waitFor());
    Files.writeString(Path.of("f"), "text");
    System.out.println(Files.size(Path.of("f")));
    pool.shutdown();
    System.out.println(pool.awaitTermination(60, TimeUnit.SECONDS));
    Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("hook")));
    System.exit(5);
  }
}
