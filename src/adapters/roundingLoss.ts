/** What rounding takes off the changes that an adapter makes to the weights of a model. */
export interface RoundingLoss {
  /** Norm of the rounding over the norm of the change, over all changed weights: 0 to about 1. */
  readonly share: number;
  /** The tensor of which most is lost, with its own share. */
  readonly worst: { readonly name: string; readonly share: number };
}

/** Adds up {@link RoundingLoss} tensor by tensor. */
export class RoundingTally {
  private lost = 0;
  private changed = 0;
  private worst = { name: '', share: 0 };

  /** A tensor before the change, with it, and as it is written. */
  add(name: string, before: Float32Array, after: Float32Array, written: Float32Array): void {
    let [lost, changed] = [0, 0];
    for (let i = 0; i < after.length; i++) {
      lost += (written[i]! - after[i]!) ** 2;
      changed += (after[i]! - before[i]!) ** 2;
    }
    this.lost += lost;
    this.changed += changed;
    const share = changed === 0 ? 0 : Math.sqrt(lost / changed);
    if (share > this.worst.share) this.worst = { name, share };
  }

  /** Undefined where nothing was rounded off. */
  get loss(): RoundingLoss | undefined {
    if (this.lost === 0 || this.changed === 0) return undefined;
    return { share: Math.sqrt(this.lost / this.changed), worst: this.worst };
  }
}
