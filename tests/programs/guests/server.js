// An HTTP server and its clients, zlib, workers, crypto, child processes and files in one process.
const http = require("http"), zlib = require("zlib"), crypto = require("crypto"), fs = require("fs");
const { execFile, fork } = require("child_process");
const { Worker, isMainThread, parentPort, workerData } = require("worker_threads");

function sum(step) {
  let s = 0;
  for (let i = 0; i < 2e5; i++) s = (s + i * step) % 1000003;
  return s;
}

function request(port, agent, text) {
  return new Promise((done, fail) => {
    const q = http.request({ port, host: "127.0.0.1", method: "POST", agent }, (r) => {
      const parts = [];
      r.on("data", (d) => parts.push(d));
      r.on("end", () => done(zlib.gunzipSync(Buffer.concat(parts)).toString()));
    });
    q.on("error", fail);
    q.end(text);
  });
}

async function main(server) {
  const port = server.address().port, agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
  const texts = [...Array(40).keys()].map((i) => `hello ${i} ` + "x".repeat(i * 100));
  const all = await Promise.all(texts.map((text) => request(port, agent, text)));
  console.log(all.length, crypto.createHash("sha256").update(all.join()).digest("hex"));
  const shared = new Int32Array(new SharedArrayBuffer(4));
  const results = await Promise.all([1, 2, 3].map((step) => new Promise((done, fail) =>
    new Worker(__filename, { workerData: { step, shared } }).on("message", done).on("error", fail))));
  console.log(results, Atomics.load(shared, 0));
  console.log(crypto.pbkdf2Sync("a", "b", 1000, 32, "sha512").toString("hex"));
  const { publicKey, privateKey } = crypto.generateKeyPairSync("ec", { namedCurve: "P-256" });
  const signature = crypto.sign("sha256", Buffer.from("m"), privateKey);
  console.log(crypto.verify("sha256", Buffer.from("m"), publicKey, signature));
  console.log(await (await fetch(`http://127.0.0.1:${port}`, { method: "POST", body: "abc" })).text());
  console.log(zlib.brotliDecompressSync(zlib.brotliCompressSync("y".repeat(9999))).length);
  await new Promise((done) => execFile("sh", ["-c", "cat; echo err >&2; exit 3"], (e, out, err) =>
    done(console.log(e.code, out, err))).stdin.end("to a child"));
  const child = fork(__filename, ["child"]);
  await new Promise((done) => child.on("message", (m) => done(console.log(m))));
  child.kill("SIGTERM");
  await new Promise((done) => child.on("exit", (code, signal) => done(console.log(code, signal))));
  await fs.promises.writeFile("f", "text");
  const watcher = fs.watch("."), seen = new Promise((done) => watcher.on("change", (how, name) => done(name)));
  await fs.promises.appendFile("f", " more");
  console.log(await seen, fs.readFileSync("f", "utf8"), (await fs.promises.stat("f")).size);
  watcher.close();
  process.on("SIGUSR2", () => console.log("usr2"));
  process.kill(process.pid, "SIGUSR2");
  await new Promise((done) => setTimeout(done, 50));
  agent.destroy();
  server.close();
  server.closeAllConnections();
}

if (process.argv[2] === "child") {
  process.send({ from: "child" });
  setInterval(() => {}, 1000);
} else if (isMainThread) {
  const server = http.createServer((q, r) => {
    const parts = [];
    q.on("data", (d) => parts.push(d));
    q.on("end", () => {
      r.setHeader("content-encoding", "gzip");
      r.end(zlib.gzipSync(Buffer.concat(parts)));
    });
  });
  server.listen(0, "127.0.0.1", () => main(server));
} else {
  Atomics.add(workerData.shared, 0, 1);
  parentPort.postMessage(sum(workerData.step));
}
