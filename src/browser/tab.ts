/** What of a tab is used beside what Node has too: the rest of the project is checked without a browser's types. */
interface Tab {
  readonly navigator?: {
    readonly storage?: { getDirectory?(): Promise<Folder> };
    readonly gpu?: { requestAdapter(): Promise<unknown> };
  };
  readonly document?: {
    createElement(name: 'a'): { href: string; download: string; click(): void };
  };
}

/** A folder of the origin private file system. */
export interface Folder {
  getDirectoryHandle(name: string, options?: { readonly create?: boolean }): Promise<Folder>;
  getFileHandle(name: string, options?: { readonly create?: boolean }): Promise<StoredFile>;
  removeEntry(name: string, options?: { readonly recursive?: boolean }): Promise<void>;
}

interface StoredFile {
  getFile(): Promise<Blob>;
  createWritable(): Promise<{ write(data: Uint8Array<ArrayBuffer>): Promise<void>; close(): Promise<void> }>;
}

export const tab = globalThis as unknown as Tab;
