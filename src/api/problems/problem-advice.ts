/** By the code of a problem: what it means, and what to do next. A test sees to it that none is missing. */
export const advice: Readonly<Record<string, readonly [meaning: string, next: string]>> = {
  invalid_json: [
    'The body was sent as application/json and could not be parsed as JSON in UTF-8.',
    'Send valid JSON. Most often a comma, a quotation mark or an escape is wrong.',
  ],
  invalid_request: [
    'A field, a parameter or the form of the body is not what the call takes. Nothing was done.',
    'Look at errors: each names a field by its JSON pointer and says what it has to be.',
  ],
  invalid_id: [
    'The id in the path does not have the form of an id.',
    'Use the id as it was answered: the word, an underscore, and a UUID.',
  ],
  invalid_path: [
    'The path holds a percent sign that is not followed by what it should be.',
    'Encode what you put into the path, once.',
  ],
  invalid_multipart: [
    'The multipart body broke off, lacks its boundary, or has too many parts.',
    'Let your HTTP library write both the body and its Content-Type.',
  ],
  invalid_idempotency_key: [
    'The Idempotency-Key is not 1 to 255 visible ASCII characters.',
    'Send a UUID, or any other text without spaces, once.',
  ],
  unauthorized: [
    'No key was sent, or it is not one that this deployment knows, or knows no longer.',
    'Send a valid key as Authorization: Bearer <key>. The operator of the service gives keys out.',
  ],
  callback_rejected: [
    'A callback that says it comes from a provider does not have that provider’s signature.',
    'If you operate the service, check the webhook secret of that provider. Nobody else should meet this.',
  ],
  webhook_endpoint_not_found: [
    'The tenant has no webhook endpoint of this id, or has it no longer.',
    'GET /v1/webhook_endpoints lists those that there are.',
  ],
  webhook_delivery_not_found: [
    'The tenant has no delivery of this id that could be shown or sent again. The log is kept for 30 days; test calls are not repeated.',
    'GET /v1/webhook_endpoints/{id}/deliveries lists those that there are.',
  ],
  webhook_redelivery_under_way: [
    'The event is being sent to this receiver again, and that has not ended.',
    'Read the delivery; redeliver once it has ended.',
  ],
  webhook_secret_unreadable: [
    'The secret of the endpoint was sealed with a key that the service has no more.',
    'Rotate the secret; or the operator puts the key back into ENCRYPTION_KEYS.',
  ],
  too_many_webhook_endpoints: [
    'The tenant has as many webhook endpoints as it may.',
    'Delete one that is not used, or have one of them take more events.',
  ],
  invalid_webhook_url: [
    'The URL for webhooks is none that can be called: it has to be https, on its default port, without credentials, on the open internet.',
    'Send the URL of a server of yours that anybody on the internet can reach.',
  ],
  budget_exceeded: [
    'The day’s or the month’s budget of the tenant leaves no room for what this video would cost. Nothing was bought.',
    'Wait for the next day or month, cancel what still waits, or ask the operator for a larger budget.',
  ],
  forbidden: [
    'The service runs without keys, and then takes calls from programs and pages of its own machine only.',
    'Call by a loopback address, or have the operator set a key.',
  ],
  insufficient_scope: [
    'The key is valid, and is not allowed this call: it lacks the scope that the detail names.',
    'Use a key that has the scope.',
  ],
  upload_refused: [
    'The URL of the upload is not as it was given out, or its time is over.',
    'Create another upload, and PUT to its URL exactly as it is.',
  ],
  not_found: ['The path leads to no call of this API.', 'Compare it with the list of calls at /docs.'],
  not_supported_here: [
    'OpenAI’s client has this call, and this service does not offer it.',
    'Do without it. What there is stands at /docs.',
  ],
  video_not_found: [
    'There is no video of this id, it was deleted, or it belongs to another tenant.',
    'Check the id, and that the key is of the tenant that asked for the video.',
  ],
  unknown_attempt: [
    'A callback came for an attempt that this service never made.',
    'If you operate the service, check which deployment the provider was told to call.',
  ],
  method_not_allowed: ['The path exists, and does not take this method.', 'Use a method that the header Allow names.'],
  request_timed_out: [
    'The request did not arrive completely within its time.',
    'Send it again, over a better connection if need be.',
  ],
  video_not_ready: [
    'The video has no content, because it is not made yet or never will be.',
    'Read the video: while it is queued or in progress, come back after Retry-After.',
  ],
  video_gone: [
    'The video was made, and its time here is over.',
    'Ask for it anew. The time until which a video is kept is its expires_at.',
  ],
  video_erased: [
    'The Idempotency-Key stands for a request whose video was deleted. The key is kept, and buys no second video.',
    'Send the request with another key, if you want the video made again.',
  ],
  upgrade_required: [
    'The path speaks WebSocket, and the request asks for nothing of the kind.',
    'Open it by a WebSocket client, or follow the events by GET /v1/events.',
  ],
  too_many_streams: [
    'As many streams of the tenant, or of this process, are open as may.',
    'Close those that nobody reads, or follow the whole tenant by a single one.',
  ],
  length_required: [
    'The picture has to be announced with its length, which the request lacks.',
    'Send Content-Length.',
  ],
  body_too_large: [
    'The body, its fields or its picture are larger than what is taken.',
    'Send less, or scale the picture down. The detail names the limit.',
  ],
  unsupported_media_type: [
    'The Content-Type or the Content-Encoding is not taken by this call.',
    'Send what the detail names, uncompressed.',
  ],
  range_not_satisfiable: [
    'The range of bytes lies outside the video.',
    'Look at Content-Range for how long the video is.',
  ],
  invalid_image: [
    'The picture is not a usable JPEG, PNG or WebP, or can’t be read from where it is said to be.',
    'Export it again in one of these formats, or send it as a file.',
  ],
  upload_not_found: [
    'The upload that the request names was never filled, is not yours, or its time is over.',
    'Create an upload, PUT the picture, then name its id within the day.',
  ],
  value_not_supported: [
    'The request is well formed, and asks for what no provider of the model makes.',
    'Look at allowed in errors, or at GET /v1/models.',
  ],
  idempotency_key_reused: [
    'The Idempotency-Key was used before for a request that asked for something else. Nothing was done.',
    'Take a new key for a new request, and repeat a request exactly as it was.',
  ],
  queue_full: [
    'As many jobs of the tenant, or of one of its users, wait as may.',
    'Come back after Retry-After, when some of them have started.',
  ],
  quota_exceeded: [
    'The tenant has sent as many requests in a minute, or has as many jobs open, as it may.',
    'Come back after Retry-After. The fields RateLimit and RateLimit-Policy say what is left.',
  ],
  queue_too_long: [
    'The line is so long that the request’s queue_ttl_seconds would most likely pass before it starts.',
    'Come back after Retry-After, or send a larger queue_ttl_seconds.',
  ],
  spend_cap_reached: [
    'The operator’s cap on spending leaves no room for the video. Nothing was bought.',
    'Repeating the request does not help. The operator can raise the cap.',
  ],
  headers_too_large: [
    'The head of the request is larger than 16 KiB.',
    'Send fewer or shorter headers. Often it is a cookie that does not belong here.',
  ],
  internal_error: [
    'Something broke on our side. It is in our log under the request_id.',
    'Try again. A request with an Idempotency-Key can be repeated without harm.',
  ],
  overloaded: [
    'The service does as much as it can at the moment, and refuses early rather than late.',
    'Come back after Retry-After.',
  ],
  storage_unavailable: [
    'The place where pictures and videos are kept does not answer.',
    'Come back after Retry-After. Jobs under way are not lost.',
  ],
  subject_not_found: [
    'There is no target, pool or tenant of this name.',
    'GET /v1/admin/pools has the pools and their targets. In a path a slash of a name is written ~.',
  ],
  job_final: [
    'The job has ended, so there is nothing left to repair.',
    'GET /v1/admin/jobs/{id} says how it ended. A caller who wants another video asks for one.',
  ],
  repair_refused: [
    'The workflow of the job refused the repair: the detail says why. Nothing was done.',
    'Do what the detail says. What could pay twice takes force, and a reason that justifies it.',
  ],
  temporal_unavailable: [
    'Temporal, or the workflow of the job, did not answer in time. Where it was asked, it may yet do it.',
    'Check that Temporal and a worker run, then repeat the request with the same Idempotency-Key.',
  ],
  database_unavailable: [
    'The database does not answer in time. Whatever was accepted is safe.',
    'Come back after Retry-After, with the same Idempotency-Key.',
  ],
  model_not_found: ['The catalogue has no model of this name.', 'GET /v1/models lists those that there are.'],
  model_retired: [
    'Its maker has shut the model, and nothing serves in its place.',
    'Choose another model from GET /v1/models.',
  ],
  model_unavailable: [
    'The catalogue knows the model, and no provider that makes it has a key here.',
    'Choose a model whose status is active, or ask the operator to set the provider up.',
  ],
  input_not_supported: [
    'The model makes videos from text alone.',
    'Leave the picture out, or choose a model whose inputs have image.',
  ],
  input_required: [
    'The model makes videos from a picture only.',
    'Send input_reference, or choose a model whose inputs have text.',
  ],
  value_not_allowed: ['The model does not make this length or this size.', 'Choose one of those in allowed.'],
  field_not_supported: [
    'No provider of the model has a word for this field.',
    'Leave the field out, or choose another model.',
  ],
  text_too_long: [
    'The text is longer than what the model’s providers take.',
    'Shorten it. GET /v1/models has the limits.',
  ],
  price_unknown: [
    'Nobody has said what this video costs, so that no limit on cost could be kept.',
    'Choose a model or a size that has a price.',
  ],
  max_cost_too_low: [
    'Every provider of the model asks for more than max_cost_usd.',
    'Raise it, or ask for a shorter or smaller video.',
  ],
};
