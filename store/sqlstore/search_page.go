package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"stonechat/store"
	"stonechat/store/words"
)

// Search implements store.Search.
func (s *searcher) Search(ctx context.Context, owner store.Owner, q store.SearchQuery) (store.Found, error) {
	t, err := termsOf(owner, &q)
	if err != nil {
		return store.Found{}, err
	}
	c, err := archive{s.db}.choose(ctx, owner, &q.Query)
	if err != nil {
		return store.Found{}, err
	}
	found := store.Found{Behind: !s.caughtUp(ctx)}
	if t == nil {
		found.Complete = true
		return found, nil // what has no words is nowhere
	}
	s.mu.Lock()
	reads := s.reads
	s.mu.Unlock()
	if reads == nil {
		return found, fmt.Errorf("words of messages: %w", store.ErrAway)
	}
	what := s.index.condition(t)
	if q.Max == 0 {
		err = reads.each(ctx, s.index.count, func(r *sql.Rows) error { return r.Scan(&found.Count) }, what, int64(c.lo), int64(c.hi), store.MaxFound)
		found.Complete = found.Count == 0
		return found, err
	}
	query := s.index.oldest
	if c.newestFirst {
		query = s.index.newest
	}
	var hits []row
	err = reads.each(ctx, query, func(r *sql.Rows) error {
		var h row
		err := r.Scan(&h.key)
		hits = append(hits, h)
		return err
	}, what, int64(c.lo), int64(c.hi), q.Max+1)
	if err != nil {
		return found, err
	}
	p := picker{db: s.db, owner: owner, limit: q.Max}
	err = p.pickTail(ctx, hits[:min(len(hits), q.Max)])
	found.Rows, found.Complete = p.out, len(hits) <= q.Max && !p.full
	if c.newestFirst != q.Flip {
		slices.Reverse(found.Rows)
	}
	return found, err
}

// termsOf are the terms of a query; none when something is looked for that has no words.
func termsOf(owner store.Owner, q *store.SearchQuery) (*terms, error) {
	if q.Max < 0 || q.Max > store.MaxPage || len(q.IDs) > 0 || (q.WithResource != "" && q.With == "") || len(q.Phrases) > store.MaxPhrases {
		return nil, fmt.Errorf("search: %w", store.ErrInvalid)
	}
	t := &terms{marks: []string{ownerMark(owner)}}
	switch {
	case q.WithResource != "":
		t.marks = append(t.marks, resourceMark(q.With, q.WithResource))
	case q.With != "":
		t.marks = append(t.marks, peerMark(q.With))
	}
	switch q.By {
	case store.ByOwner:
		t.marks = append(t.marks, directionMark(store.Outgoing))
	case store.ByPeer:
		t.marks = append(t.marks, directionMark(store.Incoming))
	}
	if q.Link {
		t.marks = append(t.marks, linkMark)
	}
	left, nowhere := store.MaxWords, false
	for _, p := range q.Phrases {
		sought := words.Sought(p.Text, left)
		if left -= len(sought); left < 0 {
			return nil, fmt.Errorf("search for so many words: %w", store.ErrInvalid)
		}
		switch {
		case len(sought) == 0:
			nowhere = nowhere || !p.Not
		case p.Not:
			t.not = append(t.not, sought)
		default:
			t.wanted = append(t.wanted, sought)
		}
	}
	if nowhere {
		return nil, nil
	}
	return t, nil
}

// Rebuild implements store.Search.
func (s *searcher) Rebuild(ctx context.Context) error { return s.rebuild(ctx) }

// State implements store.Search.
func (s *searcher) State() store.SearchState {
	s.mu.Lock()
	defer s.mu.Unlock()
	state := store.SearchState{Rows: s.rows.Load()}
	if s.failure != nil {
		state.Failed = s.failure.Error()
	}
	if at, newest := store.Key(s.reached.Load()), s.db.newestRow(); at < newest {
		state.Behind = time.Duration(newest-at) * time.Microsecond
	}
	return state
}
