// dockerode, Node's client of the Docker Engine API: what it offers beyond plain requests.
// The environment says where: DOCKER_SOCKET, and REGISTRY for an address that may be pushed to.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { finished } from "node:stream/promises";
import { execFileSync } from "node:child_process";
import { after, test } from "node:test";
import Docker from "dockerode";

const IMAGE = "busybox:test";
const LABEL = "clients.test";
const docker = new Docker({ socketPath: process.env.DOCKER_SOCKET });
const folder = mkdtempSync(join(tmpdir(), "yurt-test-"));

after(async () => {
  const filters = { label: [LABEL] };
  for (const { Id } of await docker.listContainers({ all: true, filters })) {
    await docker.getContainer(Id).remove({ force: true, v: true });
  }
  for (const { Id } of await docker.listImages({ filters })) await docker.getImage(Id).remove({ force: true });
  rmSync(folder, { recursive: true });
});

const create = (options) => docker.createContainer({ Image: IMAGE, Labels: { [LABEL]: "" }, ...options });
const shell = (script, options) => create({ Cmd: ["sh", "-c", script], ...options });

/** Collect what a stream yields; `text()` is all of it so far. */
function sink() {
  const stream = new PassThrough();
  const parts = [];
  stream.on("data", (part) => parts.push(part));
  return { stream, text: () => Buffer.concat(parts).toString() };
}

/** Wait until a stream is over, also one that is already. */
const ended = (stream) => finished(stream, { writable: false });

async function read(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts).toString();
}

/** Return the lines of a build, push or pull; throw the error that one of them tells. */
async function progress(stream) {
  const lines = await new Promise((resolve, reject) => {
    docker.modem.followProgress(stream, (error, told) => (error ? reject(error) : resolve(told)));
  });
  const failed = lines.find((line) => line.error);
  if (failed) throw new Error(failed.error);
  return lines;
}

/** Part a stream of frames into what was printed and what was complained of. */
function parted(stream) {
  const out = sink();
  const err = sink();
  docker.modem.demuxStream(stream, out.stream, err.stream);
  return { out: out.text, err: err.text };
}

/** Write a build context; return its folder. */
function context(...lines) {
  const place = mkdtempSync(join(folder, "context-"));
  writeFileSync(join(place, "Dockerfile"), [`FROM ${IMAGE}`, `LABEL ${LABEL}=""`, ...lines, ""].join("\n"));
  return place;
}

test("run gives the output and the exit code", async () => {
  const out = sink();
  const err = sink();
  const made = { Tty: false, Labels: { [LABEL]: "" } };
  const command = ["sh", "-c", "echo hi; echo oh >&2; exit 3"];
  const [result, container] = await docker.run(IMAGE, command, [out.stream, err.stream], made);
  assert.equal(result.StatusCode, 3);
  assert.equal(out.text(), "hi\n");
  assert.equal(err.text(), "oh\n");
  await container.remove();
});

test("attach carries input, its end, and both outputs", async () => {
  const container = await shell("cat; echo done >&2", { OpenStdin: true, StdinOnce: true, AttachStdin: true });
  const stream = await container.attach({ stream: true, stdin: true, stdout: true, stderr: true, hijack: true });
  const said = parted(stream);
  await container.start();
  stream.end("first\nsecond\n");
  await ended(stream);
  assert.equal((await container.wait()).StatusCode, 0);
  assert.equal(said.out(), "first\nsecond\n");
  assert.equal(said.err(), "done\n");
});

test("exec carries input and both outputs, and tells the exit code", async () => {
  const container = await shell("sleep 60");
  await container.start();
  const streams = { AttachStdin: true, AttachStdout: true, AttachStderr: true };
  const exec = await container.exec({ Cmd: ["sh", "-c", "cat; echo oh >&2; exit 4"], ...streams });
  const stream = await exec.start({ hijack: true, stdin: true });
  const said = parted(stream);
  stream.end("in\n");
  await ended(stream);
  assert.equal(said.out(), "in\n");
  assert.equal(said.err(), "oh\n");
  assert.equal((await exec.inspect()).ExitCode, 4);
});

test("a terminal is one stream, and has the size that was asked for", async () => {
  const container = await shell("read go; stty size", { Tty: true, OpenStdin: true });
  const stream = await container.attach({ stream: true, stdin: true, stdout: true, hijack: true });
  const { stream: into, text } = sink();
  stream.pipe(into);
  await container.start();
  await container.resize({ h: 31, w: 97 });
  stream.write("\n");
  await container.wait();
  await ended(stream);
  assert.match(text(), /31 97/);
});

test("logs are followed to their end, parted by stream", async () => {
  const container = await shell("echo one; sleep 1; echo two >&2");
  await container.start();
  const stream = await container.logs({ follow: true, stdout: true, stderr: true });
  const said = parted(stream);
  await ended(stream);
  assert.equal(said.out(), "one\n");
  assert.equal(said.err(), "two\n");
});

test("build takes a tar archive, and a folder's files", async () => {
  const place = context("RUN echo built > /made");
  const archive = join(folder, "context.tar");
  execFileSync("tar", ["-C", place, "-cf", archive, "Dockerfile"]);
  const sources = [archive, { context: place, src: ["Dockerfile"] }];
  for (const [number, source] of sources.entries()) {
    const lines = await progress(await docker.buildImage(source, { t: `clients-test:${number}` }));
    assert.ok(lines.some((line) => /Successfully tagged/.test(line.stream ?? "")), JSON.stringify(lines));
  }
});

test("a failed build is an error with the step's words", async () => {
  const place = context("RUN exit 7");
  const stream = await docker.buildImage({ context: place, src: ["Dockerfile"] }, {});
  await assert.rejects(progress(stream), /(exit|non-zero) code:? 7/);
});

test("files go in and come out as archives", async () => {
  const container = await shell("sleep 60");
  await container.start();
  writeFileSync(join(folder, "note.txt"), "written outside\n");
  const archive = join(folder, "note.tar");
  execFileSync("tar", ["-C", folder, "-cf", archive, "note.txt"]);
  await container.putArchive(archive, { path: "/tmp" });
  assert.match(await read(await container.getArchive({ path: "/tmp/note.txt" })), /written outside/);
});

test("stats, top and events tell of a container", async () => {
  const container = await shell("sleep 60", { name: "clients-test-told" });
  await container.start();
  assert.ok((await container.stats({ stream: false })).memory_stats.usage > 0);
  assert.ok((await container.top()).Processes.flat().some((word) => word.includes("sleep")));
  const now = Math.floor(Date.now() / 1000);
  const filters = { container: [container.id] };
  const events = await docker.getEvents({ since: now - 60, until: now + 1, filters });
  const actions = (await read(events)).trim().split("\n").map((line) => JSON.parse(line).Action);
  assert.deepEqual(actions.slice(0, 2), ["create", "start"]);
});

test("an image is pushed, removed and pulled", async () => {
  const name = `${process.env.REGISTRY}/clients`;
  const place = context("RUN echo pushed > /made");
  await progress(await docker.buildImage({ context: place, src: ["Dockerfile"] }, { t: `${name}:1` }));
  const pushed = await progress(await docker.getImage(`${name}:1`).push({}));
  const digest = pushed.find((line) => line.aux?.Digest)?.aux.Digest;
  assert.match(digest, /^sha256:[0-9a-f]{64}$/);
  await docker.getImage(`${name}:1`).remove({ force: true });
  const pulled = await progress(await docker.pull(`${name}:1`));
  assert.ok(pulled.some((line) => line.status === `Digest: ${digest}`), JSON.stringify(pulled));
});

test("a pull from where nothing listens is an error", async () => {
  await assert.rejects(async () => progress(await docker.pull("127.0.0.1:9/none:1")), /refused/);
});
