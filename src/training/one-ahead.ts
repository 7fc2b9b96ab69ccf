// What a step needs, made one step ahead while the step before computes (Updater.update). It must follow from the number
// of the step alone.

export interface OneAhead<T> {
  /** What `step` needs, made before or now. */
  at(step: number): T;
  /** Makes and keeps what the step after `step` needs; undefined after the last. */
  after(step: number): (() => T) | undefined;
}

export function oneAhead<T>(steps: number, make: (step: number) => T): OneAhead<T> {
  let kept: { readonly step: number; readonly made: T } | undefined;
  return {
    at: (step) => (kept?.step === step ? kept.made : make(step)),
    after: (step) => (step + 1 < steps ? () => (kept = { step: step + 1, made: make(step + 1) }).made : undefined),
  };
}
