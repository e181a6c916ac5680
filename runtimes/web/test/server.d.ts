/** A static server for tests: plain, or with the headers that a careful one sends. */
export declare const ISOLATED: {
    "Cross-Origin-Opener-Policy": string;
    "Cross-Origin-Embedder-Policy": string;
};
export declare const STRICT: {
    "Content-Security-Policy": string;
};
export interface Site {
    readonly url: string;
    readonly asked: string[];
    close(): void;
}
/** Serve a folder beneath `/some/path/`. */
export declare function serve(folder: string, headers?: Record<string, string>): Promise<Site>;
