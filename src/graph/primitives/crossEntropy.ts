import type { Primitive } from '../primitive.js';
import { sameShape, showShape } from '../shape.js';
import { constant } from '../tensor.js';
import { logSumExp } from './logSoftmax.js';
import { labelHits } from './oneHot.js';

/**
 * −log softmax(logits)[label] for each row: logits [rows, classes], labels int64 [rows] → [rows]. A row whose label is
 * `ignoreIndex` gives 0. d logits = (softmax − one-hot) · dy.
 */
export const crossEntropy: Primitive<{ readonly ignoreIndex: number }> = {
  storage: 'fresh',
  shape: ([logits, labels]) => {
    if (logits!.shape.length !== 2 || !sameShape(labels!.shape, logits!.shape.slice(0, 1))) {
      throw new Error(
        `crossEntropy of ${showShape(logits!.shape)} with labels ${showShape(labels!.shape)} does not fit`,
      );
    }
    if (typeof logits!.shape[1] !== 'number') throw new Error('crossEntropy needs a static number of classes');
    return [{ dtype: 'float32', shape: labels!.shape }];
  },
  derivative: ({ inputs: [logits, labels], attrs: { ignoreIndex }, cotangents: [dy] }, ops) => {
    const classes = logits!.shape[1] as number;
    const hit = ops.oneHot(labels!, classes);
    // A label outside the classes has no 1 in its row; one that is a class has to be taken out.
    const counts = Float32Array.from({ length: classes }, (_, i) => (i === ignoreIndex ? 0 : 1));
    const target = counts.includes(0) ? ops.mul(hit, constant(counts, [classes])) : hit;
    const counted = ops.sum(target, { axes: [-1], keepDims: true });
    const error = ops.sub(ops.mul(ops.softmax(logits!), counted), target);
    return [ops.mul(error, ops.reshape(dy!, [...labels!.shape, 1])), undefined];
  },
  emit: ({ inputs: [logits, labels], outputs, attrs: { ignoreIndex }, inputTypes }, onnx) => {
    const inputs = [logits!, labels!];
    if (!onnx.has('SoftmaxCrossEntropyLoss')) {
      // log Σ e^x − x[label], and 0 for a row without a label.
      const classes = inputTypes[0]!.shape[1] as number;
      const target = onnx.node('Cast', [labelHits(labels!, classes, onnx)], { attributes: { to: { int: 1 } } })[0]!;
      const counts = Float32Array.from({ length: classes }, (_, i) => (i === ignoreIndex ? 0 : 1));
      const hit = counts.includes(0) ? onnx.node('Mul', [target, onnx.floats(counts)])[0]! : target;
      const { shifted, logSum } = logSumExp(logits!, onnx);
      const loss = onnx.node('Mul', [onnx.node('Sub', [logSum, shifted])[0]!, hit])[0]!;
      onnx.node('ReduceSum', [loss, onnx.int64s([-1])], { outputs, attributes: { keepdims: { int: 0 } } });
      return;
    }
    onnx.node('SoftmaxCrossEntropyLoss', inputs, {
      outputs,
      attributes: { reduction: { string: 'none' }, ignore_index: { int: ignoreIndex } },
    });
  },
};
