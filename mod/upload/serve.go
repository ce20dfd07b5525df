package upload

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"stonechat/obs"
	"stonechat/picture"
	"stonechat/store"
	"stonechat/store/blob"
)

const (
	lastStep    = time.Minute // for what is left when the content is kept: looking at it, and then saying so
	keepTime    = time.Hour   // for keeping it when all bytes have arrived: a storage may be slow
	slowestRate = 1 << 10     // bytes a second; who is slower is cut off by the door
	longestTime = 24 * time.Hour
	cacheTime   = 365 * 24 * time.Hour
	methods     = "OPTIONS, HEAD, GET, PUT, PATCH"
	// countedFor is longer than any upload takes: what is under way is counted down when it ends.
	countedFor = 10 * 365 * 24 * time.Hour
)

// refusal is why a request is not answered: a status, a reason for the count, and a text for people if the status does not say it.
type refusal struct {
	status int
	reason string
	text   string
}

// Error makes it an error.
func (r *refusal) Error() string { return r.reason }

// serve is the page of all files. Pages of every other site may ask here (XEP-0363 section 8): there is nothing that a browser would add of itself,
// and whoever knows an address may have the file.
func (m *Module) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Allow-Methods", methods)
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Range, Upload-Complete, Upload-Offset")
	h.Set("Access-Control-Expose-Headers", "Content-Disposition, Content-Length, Content-Range, ETag, Upload-Complete, Upload-Length, Upload-Offset")
	h.Set("Access-Control-Max-Age", "86400")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
	h.Set("X-Robots-Tag", "noindex")
	var err error
	switch r.Method {
	case http.MethodOptions:
		w.WriteHeader(http.StatusNoContent)
	case http.MethodGet, http.MethodHead:
		if r.Method == http.MethodHead && strings.HasPrefix(r.URL.RawQuery, putParameter+"=") {
			err = m.arrived(w, r)
			break
		}
		err = m.fetch(w, r)
	case http.MethodPut:
		if err = m.put(r); err == nil {
			w.WriteHeader(http.StatusCreated)
		}
	case http.MethodPatch:
		err = m.patch(w, r)
	default:
		h.Set("Allow", methods)
		err = &refusal{status: http.StatusMethodNotAllowed, reason: "method"}
	}
	if err != nil {
		m.refuse(w, err)
	}
}

// refuse answers with the status of a refusal. Anything else is our own fault: it is logged, and not shown.
func (m *Module) refuse(w http.ResponseWriter, err error) {
	var no *refusal
	switch {
	case errors.As(err, &no):
	case errors.Is(err, store.ErrFull):
		no = &refusal{status: http.StatusInsufficientStorage, reason: "disk"}
		m.Obs.Log.Warn("file not kept", obs.Err, err)
	default:
		no = &refusal{status: http.StatusServiceUnavailable, reason: "fault"}
		m.Obs.Log.Error("request for a file failed", obs.Err, err)
	}
	m.Figures.Refused.WithLabelValues(no.reason).Inc()
	w.Header().Set("Cache-Control", "no-store")
	if no.status == http.StatusTooManyRequests || no == errNotScanned {
		w.Header().Set("Retry-After", "30")
	}
	text := no.text
	if text == "" {
		text = http.StatusText(no.status)
	}
	http.Error(w, text, no.status)
}

// unknown is said of every address at which there is nothing, whatever the reason.
func unknown() error { return &refusal{status: http.StatusNotFound, reason: "unknown address"} }

// find is the file at an address that we have given, by its escaped path.
func (m *Module) find(ctx context.Context, path string) (f store.File, err error) {
	a, ok := parseAddress(path)
	if !ok || !m.codes.genuine(a.id) {
		return f, unknown()
	}
	f, err = m.Files.Get(ctx, a.id)
	if errors.Is(err, store.ErrNotFound) || err == nil && f.Name != a.name {
		return f, unknown()
	}
	return f, err
}

// stored is the file at an address, if it can be had.
func (m *Module) stored(ctx context.Context, path string) (store.File, error) {
	f, err := m.find(ctx, path)
	if err == nil && (f.State != store.FileStored || f.Gone(m.now())) {
		err = unknown()
	}
	return f, err
}

// fetch gives a file, or the part of it that is asked for, or its thumbnail.
func (m *Module) fetch(w http.ResponseWriter, r *http.Request) error {
	f, err := m.stored(r.Context(), r.URL.EscapedPath())
	if err != nil {
		return err
	}
	if r.URL.RawQuery == thumbnail {
		t := f.Look.Thumb
		f.Hash, f.Type, f.Name = t.Hash, t.Type, thumbnail+ending(t.Type)
	}
	hash, whole := blob.HashOf(f.Hash)
	if !whole {
		return unknown()
	}
	content, err := m.Blobs.Open(r.Context(), hash)
	if errors.Is(err, store.ErrNotFound) {
		m.Obs.Log.Error("the content of a file is missing", "file", f.ID, "hash", hash.String())
		return unknown()
	}
	if err != nil {
		return err
	}
	defer content.Close()
	h := w.Header()
	kind, shown := served(f.Type)
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", disposition(f.Name, shown))
	h.Set("ETag", `"`+encoding.EncodeToString(hash[:randomBytes])+`"`)
	h.Set("Cache-Control", "private, max-age="+strconv.Itoa(int(freshFor(f, m.now()).Seconds()))+", immutable")
	if strings.Contains(r.Header.Get("Range"), ",") {
		// RFC 9110 section 14.2: a range may be ignored. Hundreds of small ones would make a large answer of a small request.
		r.Header.Del("Range")
	}
	m.Figures.Fetched.Inc()
	http.ServeContent(w, r, "", f.Created, content)
	return nil
}

// freshFor is how long a copy may be kept: never longer than the file (XEP-0363 section 5.3).
func freshFor(f store.File, now time.Time) time.Duration {
	if f.Due.IsZero() {
		return cacheTime
	}
	return min(f.Due.Sub(now), cacheTime)
}

// disposition is RFC 6266: what a browser does with it, and how it is called.
func disposition(name string, shown bool) string {
	kind := "attachment"
	if shown {
		kind = "inline"
	}
	if s := mime.FormatMediaType(kind, map[string]string{"filename": name}); s != "" {
		return s
	}
	return kind
}

// put takes the bytes of a slot. When it returns without an error they are durable, and can be had.
func (m *Module) put(r *http.Request) error {
	f, err := m.slotOf(r, false)
	if err != nil {
		return err
	}
	if err := fits(f, r); err != nil {
		return err
	}
	done, err := m.begin(f.Owner)
	if err != nil {
		return err
	}
	defer done()
	body := &line{r: r.Body}
	return m.take(r, f, body, func(ctx context.Context, f *store.File) (blob.Hash, error) { return m.receive(ctx, f, body) })
}

// begin counts an upload, if there is room for it; done is called when it has ended.
func (m *Module) begin(owner store.Owner) (done func(), err error) {
	account := strconv.FormatInt(int64(owner), 10)
	now := m.now()
	if !m.underway.Take(now, account, m.Config.AtOnce, countedFor) {
		return nil, &refusal{status: http.StatusTooManyRequests, reason: "too many at once"}
	}
	if !m.underway.Take(now, "", m.Config.AtOnceTotal, countedFor) {
		m.underway.Give(account)
		return nil, &refusal{status: http.StatusServiceUnavailable, reason: "too many at once"}
	}
	return func() {
		m.underway.Give("")
		m.underway.Give(account)
	}, nil
}

// take has one of all who come with a slot keep its content, and then says so; body is what keep reads. After an error the client may try again until the
// slot's time is over, but for what would be refused again.
func (m *Module) take(r *http.Request, f store.File, body *line, keep func(context.Context, *store.File) (blob.Hash, error)) error {
	if err := m.arrive(r.Context(), f, m.now()); err != nil {
		return err
	}
	f.Type = typeOf(f, r)
	hash, err := keep(r.Context(), &f)
	if err = broken(r.Context(), body, err); err == nil {
		err = m.kept(r.Context(), f, hash)
	}
	if err != nil {
		until := f.Due
		if errors.Is(err, errMalware) {
			until = m.now()
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), lastStep)
		defer cancel()
		return errors.Join(err, m.Files.Return(f, until).Wait(ctx))
	}
	m.Figures.Stored.Inc()
	m.Figures.StoredBytes.Add(float64(f.Size))
	return nil
}

// arrive has the store let in one of all who come with a slot.
func (m *Module) arrive(ctx context.Context, f store.File, now time.Time) error {
	if !m.roomFor(ctx, f.Size) {
		return &refusal{status: http.StatusInsufficientStorage, reason: "disk"}
	}
	longest := keepTime + min(time.Duration(f.Size/slowestRate)*time.Second, longestTime)
	if m.Scanner != nil {
		longest += m.Scanner.Time
	}
	err := m.Files.Arrive(f, now, now.Add(longest)).Wait(ctx)
	switch {
	case errors.Is(err, store.ErrConflict):
		return &refusal{status: http.StatusConflict, reason: "used"}
	case errors.Is(err, store.ErrNotFound):
		return &refusal{status: http.StatusGone, reason: "late"}
	case err != nil:
		// The client may have gone before it was said that it may begin: what was let in goes out again behind that.
		m.Files.Return(f, f.Due)
	}
	return err
}

// slotOf is the slot that a request may use; late: also when the time is over in which it had to be begun, as long as the row is there.
func (m *Module) slotOf(r *http.Request, late bool) (f store.File, err error) {
	a, ok := parseAddress(r.URL.EscapedPath())
	if !ok || !m.codes.genuine(a.id) {
		return f, unknown()
	}
	end, ok := m.codes.end(a.id, r.URL.RawQuery)
	switch {
	case !ok:
		return f, &refusal{status: http.StatusForbidden, reason: "no right"}
	case !late && !end.After(m.now()):
		return f, &refusal{status: http.StatusGone, reason: "late"}
	}
	f, err = m.find(r.Context(), r.URL.EscapedPath())
	switch {
	case err != nil:
	case f.State != store.FileSlot:
		err = &refusal{status: http.StatusConflict, reason: "used"}
	case f.Gone(m.now()):
		err = &refusal{status: http.StatusGone, reason: "late"}
	}
	return f, err
}

// fits compares what is announced with the slot (XEP-0363 section 7). Whoever does not say what it sends may send what the slot is for.
func fits(f store.File, r *http.Request) error {
	switch {
	case r.ContentLength < 0:
		return &refusal{status: http.StatusLengthRequired, reason: "length"}
	case r.ContentLength > f.Size:
		return &refusal{status: http.StatusRequestEntityTooLarge, reason: "length"}
	case r.ContentLength < f.Size:
		return &refusal{status: http.StatusBadRequest, reason: "length"}
	case r.Header.Get("Content-Encoding") != "":
		return &refusal{status: http.StatusUnsupportedMediaType, reason: "type"}
	}
	said := r.Header.Get("Content-Type")
	if said == "" {
		return nil
	}
	if t, ok := mediaType(said); !ok || f.Type != "" && t != f.Type {
		return &refusal{status: http.StatusUnsupportedMediaType, reason: "type"}
	}
	return nil
}

// typeOf is what a file is called: what its slot is for, or else what its PUT says.
func typeOf(f store.File, r *http.Request) string {
	if f.Type != "" {
		return f.Type
	}
	if t, ok := mediaType(r.Header.Get("Content-Type")); ok && r.Method == http.MethodPut {
		return t
	}
	return anything
}

// broken makes of what went wrong with a content what the client is told: that it was lost on its way, or whose fault it is.
func broken(ctx context.Context, body *line, err error) error {
	var no *refusal
	switch {
	case errors.As(err, &no):
		return no
	case errors.Is(err, picture.ErrUnreadable):
		return &refusal{status: http.StatusUnprocessableEntity, reason: "unreadable"}
	case body.err != nil || errors.Is(err, blob.ErrLength) || err != nil && ctx.Err() != nil:
		return &refusal{status: http.StatusBadRequest, reason: "broken off"}
	}
	return err
}

// kept says that a content is there: it has all arrived, so that the client goes now changes nothing.
func (m *Module) kept(ctx context.Context, f store.File, hash blob.Hash) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastStep)
	defer cancel()
	err := m.Files.Store(f, hash[:], f.Type).Wait(ctx)
	if errors.Is(err, store.ErrNotFound) {
		return &refusal{status: http.StatusGone, reason: "late"} // its account has been erased meanwhile
	}
	return err
}

// line tells errors of the client's connection from those of the disk.
type line struct {
	r   io.Reader
	err error
}

// Read implements io.Reader.
func (l *line) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		l.err = err
	}
	return n, err
}
