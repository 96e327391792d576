/** A build that can't go on with any job: every task of its workflows fails. */
export async function generateVideo(): Promise<never> {
  throw new Error('a build that cannot go on');
}
