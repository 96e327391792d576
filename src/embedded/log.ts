/** Where the embedded servers say what they do. The message is a constant, variables are fields. */
export type Log = (message: string, fields?: Readonly<Record<string, unknown>>) => void;
