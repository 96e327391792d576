type Present<Values> = { [Name in keyof Values]?: Exclude<Values[Name], undefined> };

/** The members that are there: a member that is absent is not one that is undefined. */
export function present<Values extends object>(values: Values): Present<Values>;
export function present(values: object): object {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
