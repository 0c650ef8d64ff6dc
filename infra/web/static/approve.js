// Signs the decision on the page with an Ed25519 key that WebCrypto holds and never hands out (not extractable). It is
// kept in this browser's IndexedDB; the server sees the public key's id and the signature, nothing else.
"use strict";

const box = document.getElementById("approve");
const said = document.getElementById("said");
const bytes = text => Uint8Array.from(atob(text), sign => sign.charCodeAt(0));
const base64 = data => btoa(String.fromCharCode(...new Uint8Array(data)));
const say = text => { said.textContent = text; };

const store = (mode, act) => new Promise((resolve, reject) => {
  const open = indexedDB.open("bounds-keys", 1);
  open.onupgradeneeded = () => open.result.createObjectStore("keys");
  open.onerror = () => reject(open.error);
  open.onsuccess = () => {
    const request = act(open.result.transaction("keys", mode).objectStore("keys"));
    request.onsuccess = () => { open.result.close(); resolve(request.result); };
    request.onerror = () => reject(request.error);
  };
});

// DSSE's pre-authentication encoding: what a signature is over.
const encoded = (type, payload) => {
  const head = new TextEncoder().encode(`DSSEv1 ${new TextEncoder().encode(type).length} ${type} ${payload.length} `);
  const whole = new Uint8Array(head.length + payload.length);
  whole.set(head);
  whole.set(payload, head.length);
  return whole;
};

const showKey = async pair => {
  document.getElementById("make-key").hidden = true;
  document.getElementById("with-key").hidden = false;
  document.getElementById("public-key").textContent = base64(await crypto.subtle.exportKey("raw", pair.publicKey));
};

const sign = async pair => {
  const raw = await crypto.subtle.exportKey("raw", pair.publicKey);
  const name = [...new Uint8Array(await crypto.subtle.digest("SHA-256", raw))];
  const keyid = "ed25519:" + name.map(byte => byte.toString(16).padStart(2, "0")).join("");
  const message = encoded(box.dataset.type, bytes(box.dataset.payload));
  const signature = await crypto.subtle.sign("Ed25519", pair.privateKey, message);
  // The names stand in the order of the one byte form (RFC 8785).
  const envelope = JSON.stringify({
    payload: box.dataset.payload,
    payloadType: box.dataset.type,
    signatures: [{ keyid, sig: base64(signature) }],
  });
  const answer = await fetch(`${location.pathname}/approvals`, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: envelope,
  });
  const found = await answer.json();
  if (answer.ok) {
    say(`Approved by ${found.person} as ${found.roles.join(", ")}. Reload the page to see it counted.`);
  } else {
    say(`Not taken: ${(found.reasons ?? ["the server did not answer"]).join("; ")}.`);
  }
};

const begin = async () => {
  box.hidden = false;
  const kept = await store("readonly", keys => keys.get("mine"));
  if (kept) await showKey(kept);
  document.getElementById("make-key").addEventListener("click", async () => {
    try {
      const pair = await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"]);
      await store("readwrite", keys => keys.put(pair, "mine"));
      await showKey(pair);
      say("The key is made. Give its public half to the keepers of the trust.");
    } catch (error) {
      say(`This browser cannot make such a key (${error.name}); bounds approve signs with a key file.`);
    }
  });
  document.getElementById("sign").addEventListener("click", async () => {
    try {
      await sign(await store("readonly", keys => keys.get("mine")));
    } catch (error) {
      say(`The decision could not be signed: ${error.message}.`);
    }
  });
};

if (globalThis.crypto?.subtle && globalThis.indexedDB) begin();
