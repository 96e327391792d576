/** What went wrong in steps that did not hold each other up: one error as it is, several as one. */
export function throwTogether(errors: readonly unknown[], message: string): void {
  if (errors.length > 1) throw new AggregateError(errors, message);
  if (errors.length > 0) throw errors[0];
}
