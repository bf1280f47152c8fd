// What each kind of task answers: a line each, out of the kind's own file, for whoever names the type of an answer.
export type { Candidate } from '../reranking/forms.js';
export type { EmbeddingFacts, VectorPrediction } from './embedding.js';
export type { EntitiesPrediction, FoundEntity } from './entities.js';
export type { LabelPrediction, LossName, LossNames, Prediction, Predictions } from './kind.js';
export type { WrittenPrediction } from './language.js';
export type { FilledPrediction, FilledToken, MaskingFacts } from './maskedLm.js';
export type { LabelsPrediction } from './multiLabel.js';
export type { PreferenceFacts } from './preference.js';
export type { RankingPrediction, RerankingFacts } from './reranker.js';
export type { RewritingFacts } from './seq2seq.js';
export type { SpanPrediction } from './span.js';
