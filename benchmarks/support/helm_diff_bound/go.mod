// The stand-in for helm-diff; it needs nothing but Go's own library.
module helmflow.test/helm-diff-bound

go 1.24
