// Loaded into every process of Node.js: writes each program that it starts and each connection that it opens to TRAP.
const childProcess = require("child_process");
const fs = require("fs");
const net = require("net");

const write = (line) => fs.appendFileSync(process.env.TRAP, line + "\n");
const { connect } = net.Socket.prototype;
const { spawn } = childProcess.ChildProcess.prototype;

net.Socket.prototype.connect = function (...given) {
  const { host, port, path } = [given[0]].flat()[0];
  if (!path) write(`connects to ${host}:${port}`);
  return connect.apply(this, given);
};
childProcess.ChildProcess.prototype.spawn = function (options) {
  write(`starts ${options.args.join(" ")}`);
  return spawn.call(this, options);
};
