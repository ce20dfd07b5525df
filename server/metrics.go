package server

import (
	"stonechat/obs"
	"stonechat/store/sqlstore"
)

// storeMetrics shows the store's figures.
func storeMetrics(o obs.Obs, db *sqlstore.DB) {
	gauge := func(name, help string, f func(sqlstore.Stats) float64) {
		o.Gauge(name, help, func() float64 { return f(db.Stats()) })
	}
	count := func(name, help string, f func(sqlstore.Stats) float64) {
		o.CounterFunc(name, help, func() float64 { return f(db.Stats()) })
	}
	gauge("store_queued", "Changes that wait for the disk.", func(s sqlstore.Stats) float64 { return float64(s.Queued) })
	gauge("store_queued_bytes", "Bytes that wait for the disk.", func(s sqlstore.Stats) float64 { return float64(s.QueuedBytes) })
	gauge("store_tail_rows", "Archive rows that are durable and not in the reading orders yet.", func(s sqlstore.Stats) float64 { return float64(s.TailRows) })
	gauge("store_wal_pages", "Length of the write-ahead log in pages.", func(s sqlstore.Stats) float64 { return float64(s.WALPages) })
	gauge("store_slowest_commit_seconds", "The slowest commit since start.", func(s sqlstore.Stats) float64 { return s.SlowestTime.Seconds() })
	count("store_commits_total", "Commits.", func(s sqlstore.Stats) float64 { return float64(s.Commits) })
	count("store_commit_seconds_total", "Time spent in commits; by store_commits_total it is the mean.", func(s sqlstore.Stats) float64 { return s.CommitTime.Seconds() })
	count("store_changes_total", "Changes made durable.", func(s sqlstore.Stats) float64 { return float64(s.Ops) })
	count("store_failed_changes_total", "Changes that failed.", func(s sqlstore.Stats) float64 { return float64(s.FailedOps) })
	count("store_archive_rows_total", "Rows added to archives.", func(s sqlstore.Stats) float64 { return float64(s.ArchiveRows) })
	count("store_reads_total", "Statements run that change nothing.", func(s sqlstore.Stats) float64 { return float64(s.Reads) })
	if db.Search != nil {
		o.Gauge("search_behind_seconds", "How long ago the last message was kept whose words cannot be found yet, of those before the newest.", func() float64 { return db.Search.State().Behind.Seconds() })
		o.CounterFunc("search_rows_total", "Rows of archives whose words were noted.", func() float64 { return float64(db.Search.State().Rows) })
	}
	count("store_other_rows_total", "Rows changed outside archives.", func(s sqlstore.Stats) float64 { return float64(s.OtherRows) })
}

// searchMetric counts searches by how they ended.
func searchMetric(o obs.Obs) func(outcome string) {
	searches := o.CounterVec("searches_total", "Searches of archives by words, by outcome: done, behind (the newest messages were not looked at), refused, late or failed.", "outcome")
	return func(outcome string) { searches.WithLabelValues(outcome).Inc() }
}

// reportMetric counts reports of abuse by reason: spam, abuse or other.
func reportMetric(o obs.Obs) func(reason string) {
	reports := o.CounterVec("reports_total", "Reports of abuse that were kept for the moderators, by reason.", "reason")
	return func(reason string) { reports.WithLabelValues(reason).Inc() }
}
