// Uploads to S3 in parts.
//
// What must hold: each part goes out with its MD5, and the ETag that comes back is compared with
// it. An abort is said again until the upload is gone, as the protocol demands: a part that was
// under way may outlive the first. Source: docs.aws.amazon.com, API_AbortMultipartUpload.

import type { ListMultipartUploadsCommandOutput } from "@aws-sdk/client-s3";
import type { S3Calls } from "./calls-s3.ts";
import { demandKey } from "./limits.ts";
import type { ObjectAttributes, StoreLimits, Upload, UploadedPart } from "./object-store.ts";
import { metadataProblem, type S3Attributes, s3Attributes } from "./s3-attributes.ts";
import { bareTag, decodedName, md5Hex } from "./s3-text.ts";

export type Sdk = typeof import("@aws-sdk/client-s3");

export interface UploadPart {
  readonly number: number;
  readonly bytes: Uint8Array;
}

type Written = { readonly attributes?: ObjectAttributes; readonly signal: AbortSignal };

const abortsMax = 4;

export class S3Uploads {
  readonly #calls: S3Calls;
  readonly #sdk: Sdk;
  readonly #limits: StoreLimits;
  readonly #named: { readonly Bucket: string };

  constructor(given: {
    readonly calls: S3Calls;
    readonly sdk: Sdk;
    readonly limits: StoreLimits;
    readonly Bucket: string;
  }) {
    this.#calls = given.calls;
    this.#sdk = given.sdk;
    this.#limits = given.limits;
    this.#named = { Bucket: given.Bucket };
  }

  async begin(key: string, options: Written): Promise<Upload> {
    demandKey(key, this.#limits);
    const input = { ...this.#named, Key: key, ...this.attributes(key, options.attributes) };
    const answer = await this.#calls.send({
      key,
      signal: options.signal,
      run: (client, at) => client.send(new this.#sdk.CreateMultipartUploadCommand(input), at),
    });
    if (answer.UploadId === undefined)
      throw this.#calls.wrong("objects/failed", key, "the store gave no upload");
    return { key, id: answer.UploadId };
  }

  async putPart(upload: Upload, part: UploadPart, signal: AbortSignal): Promise<UploadedPart> {
    const { number, bytes } = part;
    const md5 = md5Hex(bytes);
    const command = new this.#sdk.UploadPartCommand({
      ...this.#of(upload),
      ...{ PartNumber: number, Body: bytes, ContentMD5: base64Of(md5) },
    });
    const answer = await this.#calls.send({
      key: upload.key,
      signal,
      run: (client, options) => client.send(command, options),
    });
    const tag = bareTag(answer.ETag);
    if (this.#calls.provesBy(tag, answer) && tag !== md5) {
      throw this.#calls.wrong(
        "objects/damaged",
        upload.key,
        `the ETag of part ${number} is another`,
      );
    }
    return { number, bytes: bytes.length, tag };
  }

  async parts(upload: Upload, signal: AbortSignal): Promise<readonly UploadedPart[]> {
    const found: UploadedPart[] = [];
    let marker: string | undefined;
    do {
      const input = {
        ...this.#of(upload),
        ...(marker === undefined ? {} : { PartNumberMarker: marker }),
      };
      const page = await this.#calls.send({
        key: upload.key,
        signal,
        run: (client, options) => client.send(new this.#sdk.ListPartsCommand(input), options),
      });
      for (const { PartNumber = 0, Size = 0, ETag } of page.Parts ?? []) {
        found.push({ number: PartNumber, bytes: Size, tag: bareTag(ETag) });
      }
      marker = page.IsTruncated === true ? page.NextPartNumberMarker : undefined;
    } while (marker !== undefined);
    return found;
  }

  /** Gives the ETag of the whole, and whether it is one of what we sent. `parts` are in order. */
  async complete(
    upload: Upload,
    parts: readonly UploadedPart[],
    signal: AbortSignal,
  ): Promise<{ readonly tag: string; readonly isPlain: boolean }> {
    const Parts = parts.map(({ number, tag }) => ({ PartNumber: number, ETag: `"${tag}"` }));
    const command = new this.#sdk.CompleteMultipartUploadCommand({
      ...this.#of(upload),
      MultipartUpload: { Parts },
    });
    const answer = await this.#calls.send({
      ...{ key: upload.key, signal },
      run: (client, options) => client.send(command, options),
    });
    return { tag: bareTag(answer.ETag), isPlain: this.#calls.hasPlainTags(answer) };
  }

  async abort(upload: Upload, signal: AbortSignal): Promise<void> {
    const command = new this.#sdk.AbortMultipartUploadCommand(this.#of(upload));
    for (let count = 1; count <= abortsMax; count += 1) {
      const answer = await this.#calls.sendOrMiss({
        key: upload.key,
        signal,
        run: (client, options) => client.send(command, options),
      });
      if (answer === undefined) return;
      const left = await this.#calls.sendOrMiss({
        key: upload.key,
        signal,
        run: (client, options) =>
          client.send(new this.#sdk.ListPartsCommand(this.#of(upload)), options),
      });
      if (left === undefined) return;
    }
    throw this.#calls.wrong("objects/failed", upload.key, `its upload ${upload.id} is still there`);
  }

  async list(prefix: string, signal: AbortSignal): Promise<readonly Upload[]> {
    const found: Upload[] = [];
    let marker: { KeyMarker?: string; UploadIdMarker?: string } | undefined = {};
    while (marker !== undefined) {
      const input = { ...this.#named, Prefix: prefix, EncodingType: "url" as const, ...marker };
      const page: ListMultipartUploadsCommandOutput = await this.#calls.send({
        key: "",
        signal,
        run: (client, options) =>
          client.send(new this.#sdk.ListMultipartUploadsCommand(input), options),
      });
      const name = page.EncodingType === "url" ? decodedName : (text: string) => text;
      for (const { Key = "", UploadId = "" } of page.Uploads ?? []) {
        found.push({ key: name(Key), id: UploadId });
      }
      const { NextKeyMarker = "", NextUploadIdMarker = "" } = page;
      const next = { KeyMarker: name(NextKeyMarker), UploadIdMarker: NextUploadIdMarker };
      marker = page.IsTruncated === true ? next : undefined;
    }
    return found;
  }

  attributes(key: string, given: ObjectAttributes = {}): S3Attributes {
    const problem = metadataProblem(given, this.#limits.metadataBytesMax);
    if (problem !== undefined) throw this.#calls.wrong("objects/refused", key, problem);
    return s3Attributes(given);
  }

  #of({ key, id }: Upload): { Bucket: string; Key: string; UploadId: string } {
    return { ...this.#named, Key: key, UploadId: id };
  }
}

export function base64Of(hex: string): string {
  return Buffer.from(hex, "hex").toString("base64");
}
