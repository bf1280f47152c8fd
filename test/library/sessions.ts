import * as ort from 'onnxruntime-node';

/** Counts ONNX Runtime's sessions of this process from now on. */
export function countSessions(): { readonly opened: number; readonly open: number } {
  const counts = { opened: 0, open: 0 };
  const { create } = ort.InferenceSession;
  const counted = async (...args: Parameters<typeof create>): Promise<ort.InferenceSession> => {
    const session = await create.apply(ort.InferenceSession, args);
    counts.opened++;
    counts.open++;
    const release = session.release.bind(session);
    session.release = async () => {
      counts.open--;
      await release();
    };
    return session;
  };
  Object.assign(ort.InferenceSession, { create: counted });
  return counts;
}
