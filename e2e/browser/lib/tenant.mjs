// What the tenant chose, by the API.

const BRANDING = ["logoUrl", "primaryColor", "backgroundColor", "companyName", "subtitle", "supportUrl",
  "defaultRedirectUrl", "hidePilotStatusBranding"];

/** `branding` (whole), `origins`, `officialUrl`; what is absent stays. */
export function choose(sandbox, { branding, origins, officialUrl }) {
  const unset = branding && Object.fromEntries(BRANDING.map((field) => [field, null]));
  return sandbox.api.put("/v1/branding", {
    ...unset,
    ...branding,
    ...(origins && { allowedOrigins: origins }),
    ...(officialUrl !== undefined && { officialUrl }),
  });
}
