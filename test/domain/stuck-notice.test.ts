import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { stuckCauses } from '../../src/domain/stuck.ts';
import { type Notice, noticeAfter, type Wanted } from '../../src/domain/stuck-notice.ts';

const fresh: Notice = { cause: null, provider: 'one', upserts: 0 };
const wanted = (cause: Wanted['cause'], provider = 'one'): Wanted => ({ cause, provider });

/** What the attributes say after each of these. */
function shownOf(started: Notice, ...wishes: readonly Wanted[]): Notice {
  return wishes.reduce<Notice>((shown, wish) => noticeAfter(shown, wish) ?? shown, started);
}

describe('a job', () => {
  test('that is never stuck changes nothing, whoever makes its video', () => {
    expect(noticeAfter(fresh, wanted(null, 'two'))).toBeUndefined();
  });

  test('that gets stuck says so once, and at whose target', () => {
    const shown = shownOf(fresh, wanted('submit_unknown', 'two'), wanted('submit_unknown', 'two'));
    expect(shown).toEqual({ cause: 'submit_unknown', provider: 'two', upserts: 1 });
  });

  test('that was shown because it waited is taken out when it gets on, and can be shown once more', () => {
    const started: Notice = { ...fresh, cause: 'waiting_capacity' };
    const going = shownOf(started, wanted(null, 'two'));
    expect(going).toEqual({ cause: null, provider: 'two', upserts: 1 });
    expect(shownOf(going, wanted('storing_asset', 'two'))).toMatchObject({ cause: 'storing_asset', upserts: 2 });
  });

  test('that was stuck on the way keeps its cause until there is another one', () => {
    const stuck = shownOf(fresh, wanted('waiting_callback_overdue'));
    expect(noticeAfter(stuck, wanted(null))).toBeUndefined();
    expect(shownOf(stuck, wanted('polling_provider_slow'))).toMatchObject({ cause: 'polling_provider_slow' });
  });
});

test('whatever befalls it: two changes at most, and none that changes nothing', () => {
  const anyCause = fc.constantFrom(null, ...stuckCauses);
  const anyWish = fc.record({ cause: anyCause, provider: fc.constantFrom('one', 'two', null) });
  fc.assert(
    fc.property(anyCause, fc.array(anyWish, { maxLength: 30 }), (cause, wishes) => {
      let shown: Notice = { ...fresh, cause };
      let changes = 0;
      for (const wish of wishes) {
        const next = noticeAfter(shown, wish);
        if (next === undefined) continue;
        changes += 1;
        expect(next.cause).not.toBe(shown.cause);
        shown = next;
      }
      expect(changes).toBe(shown.upserts);
      expect(changes).toBeLessThanOrEqual(2);
    }),
  );
});
