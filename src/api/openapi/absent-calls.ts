/** The calls that the `openai` package has and this service has not: each is a 404 that says so. */
export const absentCalls = [
  { method: 'post', path: '/v1/videos/edits', id: 'editVideo', what: 'Editing a video' },
  { method: 'post', path: '/v1/videos/extensions', id: 'extendVideo', what: 'Extending a video' },
  { method: 'post', path: '/v1/videos/characters', id: 'createCharacter', what: 'Making a character' },
  { method: 'get', path: '/v1/videos/characters/{id}', id: 'getCharacter', what: 'Reading a character' },
  { method: 'post', path: '/v1/videos/{id}/remix', id: 'remixVideo', what: 'Remixing a video' },
] as const;
