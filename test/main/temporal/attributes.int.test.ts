import { Connection } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { searchAttributeTypes } from '../../../src/contracts/search-attributes.ts';
import {
  assertSearchAttributes,
  findMissing,
  MissingAttributesError,
  registerSearchAttributes,
} from '../../../src/main/temporal/attributes.ts';
import type { TemporalSettings } from '../../../src/main/temporal/connection.ts';
import { createBareNamespace } from '../../support/temporal-namespace.ts';
import { startTlsFrontend, type TlsFrontend } from '../../support/tls-frontend.ts';

const operators = 'temporal.api.operatorservice.v1.OperatorService';
const names = Object.keys(searchAttributeTypes);
let connection: Connection;
let native: NativeConnection;
let cloud: TlsFrontend;
beforeAll(async () => {
  const address = inject('temporalAddress');
  connection = await Connection.connect({ address });
  native = await NativeConnection.connect({ address });
  cloud = await startTlsFrontend(address);
  cloud.forbid(operators);
});
afterAll(async () => {
  await Promise.all([connection.close(), native.close(), cloud.close()]);
});

async function bareNamespace(): Promise<TemporalSettings> {
  const address = inject('temporalAddress');
  return { connection: { address }, namespace: await createBareNamespace(connection, address) };
}

/** The same namespace, as Temporal Cloud lets it be seen. */
function inCloud({ namespace }: TemporalSettings): TemporalSettings {
  const { certificate, key } = cloud.authority.issue('spillway');
  const clientCertPair = { crt: Buffer.from(certificate), key: Buffer.from(key) };
  const serverRootCACertificate = Buffer.from(cloud.authority.certificate);
  return { connection: { address: cloud.address, tls: { serverRootCACertificate, clientCertPair } }, namespace };
}

test('what a namespace lacks is named at a worker’s boot with the command, registered by `migrate`, and there then', async () => {
  const settings = await bareNamespace();
  expect(await findMissing(connection, settings)).toEqual(names);
  const boot = assertSearchAttributes(native, settings);
  await expect(boot).rejects.toBeInstanceOf(MissingAttributesError);
  await expect(boot).rejects.toThrow(
    `temporal operator search-attribute create --namespace ${settings.namespace} --name Tenant --type Keyword --name VideoModel`,
  );
  await registerSearchAttributes(settings);
  await assertSearchAttributes(native, settings);
  // `migrate` runs with every release, and twice where two start at once.
  await Promise.all([registerSearchAttributes(settings), registerSearchAttributes(settings)]);
  expect(await findMissing(connection, settings)).toEqual([]);
});

test('an attribute of another type is missing too', async () => {
  const settings = await bareNamespace();
  const { namespace } = settings;
  // oxlint-disable-next-line typescript/no-unsafe-enum-assignment -- An Int; the enum is of a package that the SDK keeps to itself.
  await connection.operatorService.addSearchAttributes({ namespace, searchAttributes: { Tenant: 3 } });
  await expect
    .poll(
      async () => {
        const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
        return Object.keys(customAttributes);
      },
      { timeout: 20_000 },
    )
    .toContain('Tenant');
  expect(await findMissing(connection, settings)).toContain('Tenant');
  await expect(registerSearchAttributes(settings)).rejects.toThrow(/lacks .*Tenant.* of type Keyword/);
});

test('where operators’ calls are refused, the error has the commands, and what is there is found all the same', async () => {
  const settings = await bareNamespace();
  const seen = inCloud(settings);
  const refused = registerSearchAttributes(seen);
  await expect(refused).rejects.toBeInstanceOf(MissingAttributesError);
  await expect(refused).rejects.toThrow(
    `tcld namespace search-attributes add --namespace ${settings.namespace} --search-attribute "Tenant=Keyword"`,
  );
  const byWorker = await NativeConnection.connect(seen.connection);
  await expect(assertSearchAttributes(byWorker, seen)).rejects.toBeInstanceOf(MissingAttributesError);
  await registerSearchAttributes(settings);
  await registerSearchAttributes(seen);
  await assertSearchAttributes(byWorker, seen);
  await byWorker.close();
});
