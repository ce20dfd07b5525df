package sqlstore

import "stonechat/store/storetest/pgtest"

// PostgresForTests is the server of all tests of this package, inside and outside of it.
var PostgresForTests pgtest.Shared
