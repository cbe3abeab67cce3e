// Names, metadata and blocks as Azure writes them, and its errors by their codes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import { azureError, azureFailure, azureMeaning } from "../../transfer/stores/azure-errors.ts";
import {
  blockId,
  blockNumber,
  demandName,
  metadataName,
  nameOfMetadata,
} from "../../transfer/stores/azure-text.ts";
import { fc } from "../support/property.ts";

test("any name of metadata is an identifier, and comes back", () => {
  const odd = fc.constantFrom("_", "__", "2d", "-", "a", "ä", "__2d__", "0", ".");
  const names = fc.array(odd, { minLength: 1, maxLength: 8 }).map((parts) => parts.join(""));
  fc.assert(
    fc.property(names, (name) => {
      const written = metadataName(name);
      assert.match(written, /^[a-z_][a-z0-9_]*$/);
      assert.equal(nameOfMetadata(written), name);
    }),
  );
  assert.equal(metadataName("skylet_mode"), "skylet_mode");
  assert.equal(metadataName("skylet-mode"), "skylet__2d__mode");
});

test("no two blocks have one id; all ids have one length, within what Azure takes", () => {
  const nonce = fc.stringMatching(/^[0-9a-f]{16}$/);
  const number = fc.integer({ min: 0, max: 50_000 });
  fc.assert(
    fc.property(fc.tuple(nonce, number), fc.tuple(nonce, number), ([n1, i1], [n2, i2]) => {
      const [one, two] = [blockId(n1, i1), blockId(n2, i2)];
      assert.equal(one === two, n1 === n2 && i1 === i2);
      assert.equal(one.length, two.length);
      assert.ok(Buffer.from(one, "base64").length <= 64);
      assert.equal(blockNumber(n1, one), i1);
      assert.equal(blockNumber(n1, two), n1 === n2 ? i2 : undefined);
    }),
  );
  assert.equal(
    blockNumber("0".repeat(16), Buffer.from("somebody's").toString("base64")),
    undefined,
  );
});

test("a name that Azure would take for another is refused", () => {
  for (const key of ["a\\b", "a/../b", "./c", ".", "a./b", "a/b.", "x\n", "", "é".repeat(1_025)]) {
    assert.throws(
      () => demandName(key),
      (e) => isSkyError(e, "objects/refused"),
      key,
    );
  }
  for (const key of ["a//b", "/a", "a/", "a b?#%", "é".repeat(1_024), ".a", "a.b"]) demandName(key);
});

test("an error is what its code says, without the lines that have the request in them", () => {
  const thrown = {
    ...{ statusCode: 403, code: "AuthenticationFailed", name: "RestError" },
    message: "Server failed to authenticate.\nRequestId:1\nhttps://a/b?sig=secret",
  };
  const failure = azureFailure(thrown);
  const place = { container: "azure://a/b", object: "k", secrets: ["authenticate"] };
  const told = azureError(failure, place);
  assert.equal(told.message, "k: access denied: AuthenticationFailed (403): Server failed to ….");
  assert.equal(azureMeaning({ code: "", status: 503, message: "" }), "objects/failed");
  assert.equal(
    azureMeaning({ code: "NewInTheWorld", status: 400, message: "" }),
    "objects/refused",
  );
  assert.equal(azureMeaning({ code: "ECONNRESET", message: "" }), "objects/failed");
  assert.equal(
    azureMeaning({ code: "ContainerNotFound", status: 404, message: "" }),
    "objects/no-bucket",
  );
  assert.equal(azureFailure({ details: { errorCode: "BlobNotFound" } }).code, "BlobNotFound");
});
