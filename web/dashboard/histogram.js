// Percentiles of what happened between two readings of a histogram.

// Cumulative counts by upper bound, in order: [[bound, count]]; all label sets together.
export function bucketsOf(metrics, name) {
  const sums = new Map();
  for (const { labels, value } of metrics.get(`${name}_bucket`) ?? []) {
    const bound = labels.le === "+Inf" ? Infinity : Number(labels.le);
    sums.set(bound, (sums.get(bound) ?? 0) + value);
  }
  return [...sums].sort(([a], [b]) => a - b);
}

// What came in between; everything in `now` when the server has started anew.
export function bucketsBetween(before, now) {
  if (before.length !== now.length || now.length === 0) return now;
  const deltas = now.map(([bound, count], i) => [bound, count - before[i][1]]);
  return deltas.some(([, count]) => count < 0) ? now : deltas;
}

// As Prometheus' histogram_quantile: linear within a bucket, the highest finite bound at most.
// null when nothing was observed.
export function quantile(buckets, q) {
  const total = buckets[buckets.length - 1]?.[1] ?? 0;
  if (!(total > 0)) return null;
  const rank = q * total;
  let lower = 0;
  let below = 0;
  for (const [bound, count] of buckets) {
    if (count >= rank) {
      if (bound === Infinity) return lower;
      return count === below ? bound : lower + (bound - lower) * ((rank - below) / (count - below));
    }
    lower = bound;
    below = count;
  }
  return lower;
}
