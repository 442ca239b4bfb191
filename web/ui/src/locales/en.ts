// SPDX-License-Identifier: Apache-2.0
// All texts of one language in one chunk of its own. Those of printed documents and of the certificate page, which the
// server writes, stay there.
export default Object.values(
  import.meta.glob(
    ["../../../locales/en/*.ftl", "!../../../locales/*/documents.ftl", "!../../../locales/*/certificate.ftl"],
    { query: "?raw", import: "default", eager: true },
  ),
) as string[];
