// Evaluates JSONata as Step Functions does: a JSON list of {expression, bindings} in, a list of {value}, {} (nothing)
// or {error} out.
import { createHash } from "node:crypto";
import { text } from "node:stream/consumers";
import jsonata from "jsonata";

// Functions that Step Functions adds, and the one that it takes away:
// https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html
const ADDED = {
  hash: (data, algorithm) => createHash(algorithm.replace("-", "")).update(data).digest("hex"),
  parse: (json) => JSON.parse(json),
};

async function evaluate({ expression, bindings }) {
  try {
    const compiled = jsonata(expression);
    for (const [name, implementation] of Object.entries(ADDED)) compiled.registerFunction(name, implementation);
    compiled.assign("eval", undefined);
    return { value: await compiled.evaluate(undefined, bindings) };
  } catch (error) {
    return { error: `${error.code ?? error.name}: ${error.message}` };
  }
}

const answers = [];
for (const each of JSON.parse(await text(process.stdin))) answers.push(await evaluate(each));
process.stdout.write(JSON.stringify(answers));
