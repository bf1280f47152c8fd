import type { Phase } from '../progress.js';
import type { Reporter } from '../reporter.js';
import type { DownloadProgress } from './download.js';

const megabyte = 1e6;

/** Shows a download as a phase in megabytes; `end` where it may have stopped before its end. */
export function downloadPhase(reporter: Reporter): { onProgress: (now: DownloadProgress) => void; end: () => void } {
  let phase: Phase | undefined;
  let announced = 0;
  const end = () => {
    phase?.end();
    phase = undefined;
  };
  return {
    end,
    onProgress({ receivedBytes, totalBytes }) {
      if (totalBytes !== announced) {
        end();
        phase = reporter.phase('download (MB)', Math.ceil(totalBytes / megabyte));
        announced = totalBytes;
      }
      phase?.update(Math.floor(receivedBytes / megabyte));
      if (receivedBytes >= totalBytes) end();
    },
  };
}
