require 'digest'
require 'json'
require 'socket'
Point = Struct.new(:x, :y) { def +(o) = Point.new(x + o.x, y + o.y) }
p [Point.new(1, 2), Point.new(3, 4)].reduce(:+), 2**100, 10.fdiv(3).round(5), 'héllo'.upcase.bytes.size
case { name: 'ann', tags: [1, [2, 3]] }
in { name: String => name, tags: [Integer => a, [*, b]] } then puts "#{name} #{a} #{b}"
end
lazy = (1..Float::INFINITY).lazy.select { |n| n % 7 == 0 }.map { |n| n * n }
p lazy.first(5), JSON.parse(JSON.generate({ 'a' => [1, nil, 2.5] })), Digest::SHA256.hexdigest('x')[0, 16]
queue = Queue.new
threads = 4.times.map { |i| Thread.new { 50.times { |n| queue << n * i } } }
threads.each(&:join)
p Array.new(200) { queue.pop }.sum
fiber = Fiber.new { |x| y = Fiber.yield(x + 1); y * 2 }
p fiber.resume(1), fiber.resume(21)
r, w = IO.pipe
me = Process.pid
pid = fork { r.close; w.puts "child of me: #{Process.ppid == me}"; w.close; exit!(42) }
w.close
puts r.read; Process.wait(pid); p $?.exitstatus
trap('USR1') { puts 'usr1' }; Process.kill('USR1', Process.pid); sleep 0.01
puts `echo from a shell; exit 3`, $?.exitstatus
server = TCPServer.new('127.0.0.1', 0)
t = Thread.new { s = server.accept; s.puts s.gets.upcase; s.close }
c = TCPSocket.new('127.0.0.1', server.addr[1]); c.puts 'over tcp'; puts c.read; t.join
begin; Integer('x'); rescue ArgumentError => e; puts e.message; end
def deep(n) = n.zero? ? 0 : 1 + deep(n - 1)
p deep(5000); begin; def forever = forever() + 1; forever; rescue SystemStackError; puts 'too deep'; end
GC.start; ObjectSpace.each_object(Class).count > 100 and puts 'classes'
Process.kill('TERM', Process.pid); sleep 5
