<?php
declare(strict_types=1);
interface Shape { public function area(): float; }
final class Circle implements Shape {
    public function __construct(private float $radius) {}
    public function area(): float { return M_PI * $this->radius ** 2; }
}
enum Suit: string { case Hearts = 'H'; case Spades = 'S'; }
function numbers(int $n): Generator { for ($i = 0; $i < $n; $i++) yield $i => $i * $i; return 'end'; }
printf("%.6f %s %s\n", (new Circle(2.5))->area(), Suit::from('S')->name, implode(',', array_slice($argv, 1)));
$g = numbers(1000);
echo array_sum(iterator_to_array($g)), ' ', $g->getReturn(), "\n";
try { intdiv(1, 0); } catch (DivisionByZeroError $e) { echo get_class($e), ': ', $e->getMessage(), "\n"; }
$words = array_count_values(explode(' ', str_repeat('the cat and the dog ', 200)));
arsort($words); ksort($words); echo json_encode($words), ' ', hash('sha256', serialize($words)), "\n";
echo preg_replace_callback('/(\w)(\w*)/', fn($m) => strtoupper($m[1]) . $m[2], 'some words here'), "\n";
$sum = 0; for ($i = 0; $i < 300000; $i++) { $sum = ($sum * 31 + $i) % 1000003; } echo $sum, "\n";
$p = proc_open(['sh', '-c', 'cat; echo err >&2; exit 3'], [['pipe', 'r'], ['pipe', 'w'], ['pipe', 'w']], $pipes);
fwrite($pipes[0], "to a child\n"); fclose($pipes[0]);
echo stream_get_contents($pipes[1]), stream_get_contents($pipes[2]), proc_close($p), "\n";
$server = stream_socket_server('tcp://127.0.0.1:0');
$client = stream_socket_client('tcp://' . stream_socket_get_name($server, false));
$peer = stream_socket_accept($server); fwrite($client, "over tcp\n"); echo fgets($peer);
$f = new Fiber(function (int $x): int { $y = Fiber::suspend($x + 1); return $y * 2; });
echo $f->start(1), ' '; $f->resume(21); echo $f->getReturn(), "\n";
file_put_contents('out.txt', gzdeflate(str_repeat('x', 5000)) ?: ''); echo strlen(gzinflate(file_get_contents('out.txt'))), "\n";
exit(7);
