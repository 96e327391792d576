import { z } from 'zod';

const fieldErrorSchema = z
  .object({
    pointer: z
      .string()
      .meta({ description: 'JSON pointer into the body; a header or a part of the path goes by its name.' }),
    message: z.string(),
    allowed: z.array(z.union([z.string(), z.number()])).optional(),
  })
  .meta({ id: 'FieldError' });

/** What problem.ts writes: RFC 9457, and the member that OpenAI's client makes its typed errors of. */
export const problemSchema = z
  .object({
    type: z.string().meta({ description: 'A path of this API: a page that says what it means and what to do next.' }),
    title: z.string(),
    status: z.int().min(400).max(599),
    detail: z.string(),
    instance: z.string().optional(),
    code: z.string().meta({ description: 'The word that a program decides by.' }),
    request_id: z.string().meta({ description: 'The same as the header `X-Request-Id`. Name it in a complaint.' }),
    errors: z.array(fieldErrorSchema).optional(),
    error: z
      .object({ message: z.string(), type: z.string(), code: z.string(), param: z.string().nullable() })
      .meta({ description: 'OpenAI’s form of the same.' }),
  })
  .meta({ id: 'Problem', description: 'An error (RFC 9457).' });

export const problemPageSchema = z
  .object({
    code: z.string(),
    status: z.int(),
    title: z.string(),
    meaning: z.string(),
    next: z.string().meta({ description: 'What to do next.' }),
  })
  .meta({ id: 'ProblemPage' });
