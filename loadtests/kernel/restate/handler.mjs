// The benchmark's workflow as a Restate service: ten steps, each recorded before the next begins. Beside it, how long the
// steps took, in the buckets in which the kernel counts its own.
import http from "node:http";
import * as restate from "@restatedev/restate-sdk";

// The SDK wants Node 22 for nothing but this.
Promise.withResolvers ??= function withResolvers() {
  const deferred = {};
  deferred.promise = new this((resolve, reject) => Object.assign(deferred, { resolve, reject }));
  return deferred;
};

const [servicePort, metricsPort] = process.argv.slice(2).map(Number);
const STEPS = 10;
const ENDS_S = Array.from({ length: 96 }, (_, index) => 0.0001 * 1.15 ** index);
const counts = new Array(ENDS_S.length + 1).fill(0);

function record(seconds) {
  const bucket = ENDS_S.findIndex((end) => seconds <= end);
  counts[bucket === -1 ? ENDS_S.length : bucket] += 1;
}

function metrics() {
  const name = "orrery_kernel_step_duration";
  let sum = 0;
  const lines = counts.map((count, index) => {
    sum += count;
    return `${name}_bucket{le="${ENDS_S[index] ?? "+Inf"}"} ${sum}`;
  });
  return [...lines, `${name}_count ${sum}`, ""].join("\n");
}

const bench = restate.service({
  name: "Bench",
  handlers: {
    run: async (ctx) => {
      const found = [];
      for (let step = 0; step < STEPS; step += 1) {
        const began = performance.now();
        found.push(await ctx.run(`step${step}`, () => crypto.randomUUID()));
        record((performance.now() - began) / 1000);
      }
      return found.at(-1);
    },
  },
});

http.createServer((_request, response) => response.end(metrics())).listen(metricsPort, "127.0.0.1");
restate.serve({ services: [bench], port: servicePort });
