// What each kind of task answers: a line each, for whoever names the type of an answer.
export type { SpanPrediction } from './bestSpan.js';
export type { EntitiesPrediction, FoundEntity } from './entities.js';
export type { LabelPrediction, Prediction, Predictions } from './kind.js';
export type { LabelsPrediction } from './multiLabel.js';
export type { WrittenPrediction } from './writtenAnswer.js';
