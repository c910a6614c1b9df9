// Reads {model, texts, controlTexts, prompts, numTokens} as JSON from standard input; prints what llama.cpp makes of
// it: ids of each text (control texts are characters), ids where control texts are tokens, and greedy continuations.
import {getLlama, LlamaLogLevel} from "node-llama-cpp";

process.stdin.setEncoding("utf8");
let question = "";
for await (const part of process.stdin)
    question += part;
const asked = JSON.parse(question);
const llama = await getLlama({gpu: false, build: "never", skipDownload: true, maxThreads: 1,
                              logLevel: LlamaLogLevel.error});
const model = await llama.loadModel({modelPath: asked.model, gpuLayers: 0});
const context = await model.createContext({contextSize: asked.contextSize, sequences: 1, flashAttention: false,
                                           lora: asked.lora || undefined, experimentalKvCacheKeyType: "F32", experimentalKvCacheValueType: "F32"});
const sequence = context.getSequence();
const written = [];
for (const prompt of asked.prompts) {
    await sequence.clearHistory();
    const ids = [];
    for await (const token of sequence.evaluate(prompt, {temperature: 0, yieldEogToken: true})) {
        ids.push(token);
        if (ids.length >= asked.numTokens)
            break;
    }
    written.push(ids);
}
const answer = JSON.stringify({
    ids: asked.texts.map((text) => model.tokenize(text, false)),
    controlIds: asked.controlTexts.map((text) => model.tokenize(text, true)),
    fim: [model.tokens.infill.prefix, model.tokens.infill.middle, model.tokens.infill.suffix],
    addsBeginning: model.tokens.shouldPrependBosToken,
    written
});
process.stdout.write(answer + "\n", () => process.exit(0));  // a pipe takes 64 KiB at a time
