import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** Input pictures, kept until their job is erased. A key is what a job's row remembers. */
export interface ImageStore {
  /** Keeps a picture durably before it returns its key. Saving under the same name again replaces it. */
  save(name: string, image: StoredImage): Promise<string>;
  /** Undefined: there is none under this key. */
  read(key: string): Promise<StoredImage | undefined>;
  remove(key: string): Promise<void>;
}

export interface StoredImage {
  readonly bytes: Uint8Array;
  readonly contentType: ImageContentType;
}

export type ImageContentType = (typeof contentTypes)[number];

const contentTypes = ['image/jpeg', 'image/png', 'image/webp'] as const;

const extensions: Readonly<Record<ImageContentType, string>> = {
  'image/jpeg': 'jpg',
  'image/png': 'png',
  'image/webp': 'webp',
};

const namePattern = /^[a-z0-9][a-z0-9_-]{0,127}$/;
const keyPattern = /^[a-z0-9][a-z0-9_-]{0,127}\.(jpg|png|webp)$/;

/** Pictures as files of one folder, which is made when it is missing. */
export function createLocalImageStore(directory: string): ImageStore {
  return {
    async save(name, image) {
      if (!namePattern.test(name)) throw new Error('assertion failed: a picture is not named by a path');
      const key = `${name}.${extensions[image.contentType]}`;
      await mkdir(directory, { recursive: true });
      await writeDurably(directory, key, image.bytes);
      return key;
    },
    async read(key) {
      const contentType = contentTypeOf(key);
      const bytes = contentType && (await readFile(join(directory, key)).catch(absent));
      return bytes && contentType && { bytes, contentType };
    },
    async remove(key) {
      if (keyPattern.test(key)) await rm(join(directory, key), { force: true });
    },
  };
}

/** A reader finds the whole file or none, also after a power cut: a job that was accepted has its picture. */
async function writeDurably(directory: string, key: string, bytes: Uint8Array): Promise<void> {
  const temporary = join(directory, `.${key}.part`);
  try {
    await writeAndSync(temporary, bytes);
    await rename(temporary, join(directory, key));
  } catch (error) {
    // A full disk must not be kept full by what did not fit.
    await rm(temporary, { force: true });
    throw error;
  }
  await syncDirectory(directory);
}

async function writeAndSync(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'w', 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function contentTypeOf(key: string): ImageContentType | undefined {
  const extension = keyPattern.exec(key)?.[1];
  return contentTypes.find((contentType) => extensions[contentType] === extension);
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT') return undefined;
  throw error;
}
