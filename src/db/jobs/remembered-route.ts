import { limits } from '../../domain/limits/limits.ts';
import type { Route } from '../../domain/route.ts';

/** Routes are long, few, and the same for many jobs: to parse them anew took a fifth of a read. */
const routes = new Map<string, Route>();

/** A row whose route came as text. */
export type WithRouteText<Row extends { readonly route: Route }> = Omit<Row, 'route'> & { readonly route: string };

/** Parses the routes of rows, each text once. */
export function withRoutes<Row extends { readonly route: Route }>(rows: readonly WithRouteText<Row>[]): readonly Row[] {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the row is what it was, but for its route.
  return rows.map((row) => Object.assign(row, { route: routeOf(row.route) }) as unknown as Row);
}

function routeOf(text: string): Route {
  const known = routes.get(text);
  if (known !== undefined) return known;
  if (routes.size >= limits.plansRememberedMax) routes.clear();
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- we wrote it ourselves.
  const route = JSON.parse(text) as Route;
  routes.set(text, route);
  return route;
}
