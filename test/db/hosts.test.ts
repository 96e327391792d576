import { describe, expect, test } from 'vitest';
import { hostsOf, isReadOnlyError, splitHosts } from '../../src/db/hosts.ts';

describe('a connection string with several hosts', () => {
  test('is one for each of them, with the same user, database and options', () => {
    expect(
      splitHosts('postgres://me:p%40ss@one:5432,two:5433/db?sslmode=require&target_session_attrs=read-write'),
    ).toEqual(['postgres://me:p%40ss@one:5432/db?sslmode=require', 'postgres://me:p%40ss@two:5433/db?sslmode=require']);
  });

  test('may leave out ports and options', () => {
    expect(splitHosts('postgresql://one,[::1]:5433/db?target_session_attrs=read-write')).toEqual([
      'postgresql://one/db',
      'postgresql://[::1]:5433/db',
    ]);
  });

  test.each(['postgres://me:a,b@one:5432/db', 'postgres://one/db?options=-c%20a%3Db,c', '/var/run/postgresql db'])(
    'is left as it is where there is only one: %s',
    (url) => expect(splitHosts(url)).toEqual([url]),
  );
});

describe('whose turn it is', () => {
  test('changes when the host is left, once however many leave it, and comes round', () => {
    const hosts = hostsOf('postgres://a:1,b:2/turns');
    const [first = '', second = ''] = hosts.urls;
    expect(hosts.current()).toBe(first);
    for (let count = 0; count < 3; count += 1) hosts.leave(first);
    expect(hosts.current()).toBe(second);
    hosts.leave(second);
    expect(hosts.current()).toBe(first);
  });

  test('is known to all who have the same string', () => {
    hostsOf('postgres://a:1,b:2/shared').leave('postgres://a:1/shared');
    expect(hostsOf('postgres://a:1,b:2/shared').current()).toBe('postgres://b:2/shared');
  });
});

test('a read-only server is told by its code, and nothing else is one', () => {
  expect(isReadOnlyError(Object.assign(new Error('no'), { code: '25006' }))).toBe(true);
  expect(isReadOnlyError(Object.assign(new Error('no'), { code: '57P01' }))).toBe(false);
  expect(isReadOnlyError('25006')).toBe(false);
});
